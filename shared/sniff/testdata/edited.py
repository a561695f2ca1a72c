"""Genuine pictures that other tools, or cameras, left in a peculiar form: put together from what the encoders wrote."""
import struct

from genuine import SIZE, mpf, samsung
from refused import segment


def make(add, genuine):
    read = lambda name: (genuine / name).read_bytes()
    whole, gray, progressive = read("cjpeg.jpg"), read("cjpeg-gray.jpg"), read("cjpeg-progressive.jpg")

    def edited(name, data, how):
        add(name, data, how, size=SIZE)

    good = mpf(whole, [gray])
    end = len(good) - len(gray)
    offset = good.index(b"MPF\0") + 4 + 8 + 2 + 36 + 4 + 16 + 8  # where the index says where the second picture is
    edited("mpf-missing.jpg", good[:end], "an MPF index whose second picture was removed: jpegtran -copy all, exiftool -trailer:all=")
    edited("mpf-moved.jpg", good[:offset] + struct.pack("<I", 30) + good[offset + 4 :], "an MPF index that points into the first picture")
    edited("mpf-broken-index.jpg", good.replace(b"II*\0", b"II+\0"), "an MPF index that cannot be read")
    edited("mpf-third.jpg", good + gray, "one picture more than the MPF index announces")
    edited("preview.jpg", whole + gray, "a preview without an MPF index: Canon EOS 300D, Olympus FE-3010")
    edited("previews-16.jpg", whole + gray * 16, "as many further pictures as are taken")
    edited("preview-padded.jpg", whole + bytes(7) + b"\xff" * 5 + gray + b"\xff\0\n", "a preview between fill bytes, the last 0xFF before its SOI")
    notes = samsung([(0x0A01, b"Image_UTC_Data", b"1700000000000")])
    edited("samsung-padded.jpg", whole + gray + bytes(9) + b"\xff" + bytes(3) + notes + bytes(4) + b"\n", "a preview, fill bytes, a trailer as Samsung's, fill bytes")
    edited("fill-behind.jpg", whole + b"\xff", "a fill byte behind EOI: HP PhotoSmart 735")
    for file in ("cjpeg.jpg", "go-nrgba.png", "go.gif", "sdl.bmp"):
        edited("newline." + file[-3:], read(file) + b"\n", "a line end behind the picture, as tools for text put there")
    edited("blanks.png", read("go-nrgba.png") + bytes(3) + b"\r" + bytes(2) + b"\n", "zeros and a line end behind the picture")

    sof, sos, dht = (whole.index(bytes([0xFF, m])) for m in (0xC0, 0xDA, 0xC4))
    edited("dqt-empty.jpg", whole[:2] + segment(0xDB, b"") + whole[2:], "a DQT without tables")
    edited("dht-empty.jpg", whole[:sos] + segment(0xC4, b"") + whole[sos:], "a DHT without tables")
    edited("mjpeg.jpg", whole[:dht] + whole[sos:], "no DHT, as in frames of Motion JPEG: decoders know the usual tables")
    bad = b"\2\1" + bytes(14) + b"\1\2\3"
    last = gray.index(b"\xff\xda")
    edited("dht-unused.jpg", gray[:last] + segment(0xC4, b"\1" + bad + b"\x11" + bad) + gray[last:], "Huffman tables that cannot be, and that no scan uses")
    first = progressive.index(b"\xff\xda")
    second = progressive.index(b"\xff\xc4", first)
    edited("dht-ac-first.jpg", progressive[:first] + segment(0xC4, b"\x10" + bad + b"\x11" + bad) + progressive[first:],
           "a progressive picture with AC tables that cannot be, replaced before a scan of AC")
    assert progressive[first + 4] > 1 and progressive[second + 4] >> 4 == 1  # the first scan is of DC, then come AC tables
    at = first
    while progressive[at + 5 + 2 * progressive[at + 4]] != 0 or progressive[at + 7 + 2 * progressive[at + 4]] < 16:
        at = progressive.index(b"\xff\xda", at + 2)
    edited("dht-dc-refine.jpg", progressive[:at] + segment(0xC4, b"\0" + bad + b"\1" + bad) + progressive[at:],
           "a progressive picture with DC tables that cannot be before a scan of more DC bits, which has none")
    same = bytearray(whole)
    for n in range(3):
        same[sof + 10 + 3 * n] = same[sos + 5 + 2 * n] = 1
    edited("same-components.jpg", bytes(same), "three components of one number: Lexmark, old scanners")
