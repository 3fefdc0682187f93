"""Point clouds in nm: the surface voxels of an instance, cleaned and thinned."""

from types import ModuleType

from famous.errors import MissingError


def load_open3d() -> ModuleType:
    """Import open3d, with libusb from PyPI where the system has none; it opens no window and asks no network.

    Raises
    ------
    MissingError
        If open3d or a library that it needs cannot be loaded.
    """
    import ctypes

    try:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass  # open3d may still find the system's
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise MissingError(f"open3d does not load ({error}); pip install open3d libusb-package") from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d
