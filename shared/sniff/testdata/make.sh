#!/bin/sh
# Makes the samples of this folder, and manifest.tsv, anew. Run it as root on Debian 12 or 13 with Go; it installs the
# encoders from Debian's and PyPI's packages (up to 2.5 GB on a bare system; PyPI's are removed again). The files change
# with the encoders' versions; the verdicts must not.
set -eu
cd "$(dirname "$0")"

fail() {
  echo "make.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "it installs packages; run it as root"
command -v apt-get >/dev/null || fail "it installs packages by apt-get, which is not here; run it on Debian"
command -v go >/dev/null || fail "it needs Go, in the version that go.mod names; install it and put it into PATH"

available() {
  LC_ALL=C apt-cache policy "$1" | grep -q 'Candidate: [^(]'
}

packages="7zip abiword apngasm atomicparsley ca-certificates exiv2 ffmpeg ghostscript gifsicle git gnumeric
  graphicsmagick gstreamer1.0-libav gstreamer1.0-plugins-good gstreamer1.0-tools guetzli imagemagick jhead jpegoptim
  libarchive-tools libavif-bin libheif-examples libimage-exiftool-perl libjpeg-tools libjpeg-turbo-progs
  libreoffice-calc-nogui libreoffice-impress-nogui libreoffice-writer-nogui libvips-tools netpbm optipng pandoc php-cli
  php-gd pngcrush pngquant python3-venv qpdf sox webp zip zopfli"
apt-get update
missing=
for package in $packages; do
  available "$package" || missing="$missing $package"
done
[ -z "$missing" ] || fail "apt-get knows no package$missing; Debian 12 and 13 have all of them in main," \
  "so see that /etc/apt names that section and that apt-get update succeeds"
for package in libheif-plugin-aomenc libheif-plugin-x265; do # encoders that Debian 12 has in libheif1 itself
  ! available "$package" || packages="$packages $package"
done
# shellcheck disable=SC2086 # one word is one package
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages ||
  fail "apt-get did not install the packages; its reason stands above"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet pillow imagecodecs numpy opencv-python-headless pypng apng \
  mozjpeg-lossless-optimization pygame-ce openpyxl python-docx python-pptx xlsxwriter reportlab pypdf fpdf2 \
  scipy soundfile mutagen pillow-heif qtfaststart ||
  fail "pip did not install the packages; its reason stands above"
PYTHONDONTWRITEBYTECODE=1 "$tools/venv/bin/python" make.py
