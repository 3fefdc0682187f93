#!/usr/bin/env bash
# OpenCV, open3d and pymeshlab need a few libraries that only the system can give. Install them where that is allowed.
set -u
packages="libgl1 libglib2.0-0 libgomp1 libx11-6 libegl1"
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing system libraries: $packages"
  apt-get update -qq && apt-get install -y -qq $packages
  exit $?
fi
echo "OpenCV does not load: a system library is missing. Install these and say make again:"
echo "  Debian, Ubuntu:  sudo apt install $packages"
echo "  Fedora:          sudo dnf install mesa-libGL glib2 libgomp libX11 mesa-libEGL"
exit 1
