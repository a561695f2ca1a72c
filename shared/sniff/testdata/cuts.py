"""Files that are cut at each boundary: where a chunk, segment, block, box, entry or section begins."""
import itertools
import re
import struct

import bitmaps
import isobmff
import sounds
import webp
from archives import OFFICE, Entry, archive, package
from pdfs import Document

LISTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref", b"stbl", b"stsd", b"meta", b"iprp", b"ipco")


def make(add, genuine):
    read = lambda name: (genuine / name).read_bytes()

    def cut(extension, data, places):
        places = [at for at in places if at > 0]
        for n, at in enumerate(places, 1):
            add(f"boundary-{n}.{extension}", data[:at], f"cut at boundary {n} of {len(places)}", "truncated")

    png, gray, steps = read("apng-empty-data.png"), read("cjpeg-gray.jpg"), read("cjpeg-grey-arithmetic.jpg")
    cut("png", png, png_chunks(png))
    cut("jpg", gray, segments(gray))
    cut("jpeg", steps, segments(steps))
    blocks = [b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", b"!\xf9\4\0\5\0\0\0", bitmaps.gif_frame(), b"!\xfe\5hello\0", bitmaps.gif_frame()]
    cut("gif", bitmaps.gif(*blocks), [6, 13, *itertools.accumulate(map(len, blocks), initial=19)])
    cut("bmp", read("v5-profile.bmp"), [14, 138, 318])
    moving = webp.riff(webp.header(2), webp.CONTROL, webp.frame(webp.lossless()), webp.frame(webp.lossless()))
    cut("webp", moving, riff_chunks(moving))
    sound = sounds.riff(sounds.chunk(b"bext", bytes(20)), sounds.FORMAT, sounds.chunk(b"LIST", b"INFO"), sounds.DATA)
    cut("wav", sound, riff_chunks(sound))
    document = Document().table().end().data
    cut("pdf", document, found(rb"(?m)^(\d+ 0 obj|xref|trailer|startxref|%%EOF)", document))
    records = b"PK(\1\2|\3\4|\5\6|\6\6|\6\7|\7\x08)"
    zipped = archive(Entry(b"one.txt"), Entry(b"two.txt", flags=8, descriptor="signed"), wide={}, comment=b"hello")
    cut("zip", zipped, found(records, zipped))
    for extension, *main in OFFICE:
        data = package(*main)
        cut(extension, data, found(records, data))
    for extension, data in isobmff.small(read).items():
        cut(extension, data, boxes(data, 0, len(data)))


def found(pattern, data):
    return [m.start() for m in re.finditer(pattern, data)]


def png_chunks(data):
    at = 8
    while at < len(data):
        yield at
        at += 12 + struct.unpack_from(">I", data, at)[0]


def segments(data):
    """Gives where each segment of a JPEG begins. Behind the head of a scan come its pixels, to the next marker."""
    at = 2
    while data[at + 1] != 0xD9:
        yield at
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        while data[at] != 0xFF or data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            at += 1
    yield at


def riff_chunks(data):
    at = 12
    for chunk in webp.split(data):
        yield at
        if chunk[:4] == b"ANMF":
            yield at + 8 + 16  # the pixels of a frame, behind its place
        at += len(chunk)


def boxes(data, at, end):
    for begin, head, stop, kind in isobmff.parts(data, at, end):
        yield begin
        if kind in LISTS:
            yield from boxes(data, begin + head + isobmff.COUNT.get(kind, 0), stop)
