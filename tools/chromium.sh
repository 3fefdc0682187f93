#!/usr/bin/env bash
# The labelling page is tested in a real browser. Install Chromium where that is allowed; without one those tests skip.
set -u
for program in chromium chromium-browser google-chrome; do
  command -v "$program" >/dev/null 2>&1 && exit 0
done
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing Chromium for the tests of the labelling page"
  apt-get update -qq && apt-get install -y -qq chromium && exit 0
fi
echo "no Chromium here: the tests of the labelling page are skipped (Debian, Ubuntu: sudo apt install chromium)"
