"""The knobs of training; the steps of it read them here, so that each lives once."""

from dataclasses import dataclass, field

from famous.errors import ConfigError
from famous.yolo.adapt import AdaptParams
from famous.yolo.augment import AugmentParams

PACKAGED = "packaged"  # the detector that ships with the package
CHANNELS = ("2.5d", "gray")


@dataclass(frozen=True)
class TrainParams:
    """How a detector is trained."""

    weights: str = PACKAGED  # where to start: "packaged", or ultralytics detection weights or a model YAML
    minutes: float = 30.0  # wall clock for training, counted over kills and restarts
    epochs: int | None = None  # instead of the minutes
    input_px: int = 768  # side of the network's input
    batch: int = 4  # tiles per forward pass
    step_tiles: int = 16  # tiles per step of the optimiser; gradients of several batches are added up
    learning_rate: float = 1e-3  # after a warm-up of 3 epochs; falls linearly to 1 %
    close_mosaic: int = 15  # epochs at the end without mosaic; a quarter of all epochs if that is less
    channels: str = "2.5d"  # "2.5d": z − 1, z, z + 1 are the channels; "gray": the slice alone
    pixel_nm: float | None = None  # pixel size to train at, nm; None: whole slices if they fit, else the stack's own
    whole_px: int = 1300  # a slice with a long side up to this goes in whole, made smaller if need be
    overlap: float = 0.25  # share of a tile that its neighbour repeats
    visible: float = 0.6  # share of a box that must lie in a tile to be kept there
    coarse: float = 4.0  # factor by which large slices are shown once more, for objects larger than a tile; 0: never
    coarse_from: float = 0.5  # that copy is made where a box is longer than this share of a tile …
    coarse_px: float = 24.0  # … and shows boxes that are still this long there
    epoch_tiles: int = 160  # most tiles of one epoch; of more, a new choice is drawn for each epoch
    validate: bool = True  # hold out a block of slices for the card's figures, if there are at least `val_from`
    val_fraction: float = 0.15  # share of the done slices in that block, which is contiguous in z, at the end
    val_from: int = 10  # fewest done slices that are worth a block
    patience: int = 60  # epochs without a better score on the block after which training stops; 0 never
    check_every: int = 10  # epochs between two looks at the block
    card_score: float = 0.25  # score at which the card gives precision and recall
    end_to_end: bool = False  # detect with the head that needs no suppression, where the network has one
    seed: int = 0
    device: str = "auto"  # "auto" (a GPU if torch finds one), "cpu", or what torch calls a device
    bfloat16: bool = True  # compute in half the bits where the CPU has instructions for it; the weights stay in float32
    workers: int = 0  # processes that prepare tiles; 0: none beside the training itself
    download: bool = False  # let ultralytics fetch known weights that are not here; otherwise nothing is downloaded
    augment: AugmentParams = field(default_factory=AugmentParams)
    masks: AdaptParams = field(default_factory=AdaptParams)  # how the box → mask network learns the stack

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise ConfigError(f"train.channels: found {self.channels!r}, expected one of {', '.join(CHANNELS)}")
        positive = ("minutes", "input_px", "batch", "step_tiles", "learning_rate", "epoch_tiles", "check_every")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"train.{name}: found {getattr(self, name)}, expected more than 0")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"train.epochs: found {self.epochs}, expected 1 or more, or nothing")
        if self.input_px % 32:
            raise ConfigError(f"train.input_px: found {self.input_px}, expected a multiple of 32")
        if self.pixel_nm is not None and not self.pixel_nm > 0:
            raise ConfigError(f"train.pixel_nm: found {self.pixel_nm}, expected a length in nm above 0, or nothing")
        for name, low, high in (("val_fraction", 0, 1), ("overlap", 0, 0.9), ("visible", 0, 1)):
            if not low < getattr(self, name) <= high:
                raise ConfigError(f"train.{name}: found {getattr(self, name)}, expected above {low}, up to {high}")
