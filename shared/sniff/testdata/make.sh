#!/bin/sh
# Makes the pictures of this folder, and manifest.tsv, anew. Run it as root on a Debian system with Go; it installs the
# encoders from Debian's and PyPI's packages. The files change with the encoders' versions; the verdicts must not.
set -eu
cd "$(dirname "$0")"
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
  7zip abiword apngasm atomicparsley exiv2 ffmpeg ghostscript gifsicle gnumeric graphicsmagick gstreamer1.0-libav \
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-tools guetzli imagemagick jhead jpegoptim \
  libarchive-tools libavif-bin libheif-examples libimage-exiftool-perl libjpeg-tools libjpeg-turbo-progs libvips-tools \
  netpbm optipng pandoc php-cli php-gd pngcrush pngquant python3-venv qpdf sox webp zip zopfli
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet pillow imagecodecs numpy opencv-python-headless pypng apng \
  mozjpeg-lossless-optimization pygame-ce openpyxl python-docx python-pptx xlsxwriter reportlab pypdf cryptography \
  fpdf2 scipy soundfile mutagen pillow-heif qtfaststart
PYTHONDONTWRITEBYTECODE=1 "$tools/venv/bin/python" make.py
