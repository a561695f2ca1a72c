"""Files of two types at once: a ZIP archive or a PDF document, which programs find wherever it stands, behind or within each other
type; and types whose first box may name several brands."""
import struct

import isobmff
import sounds
import webp
from archives import OFFICE, Entry, archive, link, package
from bitmaps import bmp, chunk, gif, gif_frame
from pdfs import Document
from refused import segment

DOCUMENT = Document(b"%PDF-1.4\n").table().end().data
TEXT = b"What follows is a document.\n"


def make(add, genuine):
    read = lambda name: (genuine / name).read_bytes()
    whole = {e: read(name) for e, name in {"png": "go-nrgba.png", "jpg": "cjpeg.jpg", "gif": "pillow.gif", "bmp": "sdl.bmp", "avif": "heif-enc.avif",
                                           "m4a": "ffmpeg.m4a", "wav": "own.wav", "zip": "go-raw.zip", "docx": "own.docx", "xlsx": "own.xlsx",
                                           "pptx": "own.pptx", "txt": "markdown.txt", "csv": "python.csv"}.items()}
    for e in ("png", "jpg", "gif", "bmp", "avif", "m4a", "wav", "zip", "docx", "xlsx", "pptx"):
        add("pdf-behind." + e, whole[e] + DOCUMENT, "a PDF document behind it", "trailing_data")
    for e, verdict in {"avif": "trailing_data", "m4a": "trailing_data", "wav": "trailing_data", "docx": "type_mismatch", "txt": "type_mismatch", "csv": "type_mismatch"}.items():
        add("zip-behind." + e, with_archive(lambda a: whole[e] + a), "a ZIP archive behind it", verdict)
    for e, (size, within) in holes(read).items():
        add("with-pdf." + e, within(DOCUMENT), "a PDF document in what is not looked at", size=size)
        if e not in ("zip", "txt", "csv"):
            add("with-zip." + e, with_archive(within), "a ZIP archive in what is not looked at; the rest is its comment", size=size)
    for host, guest in zip(OFFICE, OFFICE[1:] + OFFICE[:1]):
        both = dict(types=f'<Override PartName="/{guest[2]}" ContentType="{guest[1]}"/>', parts={guest[2].encode(): "<main/>"})
        add(f"with-{guest[0]}.{host[0]}", package(*host[1:], **both), f"the main part of a {guest[0]}, too, which nothing leads to", size="0x0")
        add(f"and-{guest[0]}.{host[0]}", package(*host[1:], root=link("officeDocument", guest[2], False), **both), f"a {guest[0]}, too", "corrupt")
    film = isobmff.small(read)["mp4"]
    for e, kind, source in (("heic", b"hvc1", "heif-enc.heic"), ("avif", b"av01", "avifenc.avif")):
        add("with-mp4." + e, with_film(film, isobmff.still(read(source), kind, e.encode(), b"mif1", b"isom", b"mp42")),
            "the index and the data of an MP4 behind it, and the brands of both", size="31x23")
    add("with-brands.mp4", isobmff.changed(film, "ftyp", isobmff.brand(b"isom", b"qt  ", b"M4A ", b"heic", b"mp41")), "an MP4 with the brands of QuickTime, M4A and HEIC, too", size="32x24")


def holes(read):
    """Gives for each type the size in pixels of a file, and what makes it around other bytes, in which it is not looked."""
    png, jpg, riff = read("go-nrgba.png"), read("cjpeg.jpg"), webp.split(read("cwebp.webp"))
    return {
        "png": ("31x23", lambda b: png[:33] + chunk(b"prVt", b) + png[33:]),
        "jpg": ("31x23", lambda b: jpg[:2] + segment(0xFE, b) + jpg[2:]),
        "gif": ("4x3", lambda b: gif(b"!\xfe" + bytes([len(b)]) + b + b"\0", gif_frame())),
        "bmp": ("9x5", lambda b: bmp(40, 24, gap=b)),
        "webp": ("31x23", lambda b: webp.riff(*riff, webp.chunk(b"note", b))),
        "heic": ("62x46", lambda b: before(read("data-first.heic"), b"meta", b)),
        "avif": ("31x23", lambda b: read("heif-enc.avif") + isobmff.box(b"free", b)),
        "mp4": ("32x24", lambda b: before(read("ffmpeg-faststart.mp4"), b"moov", b)),
        "mov": ("9x7", lambda b: before(read("ffmpeg-animation.mov"), b"moov", b)),
        "m4a": ("0x0", lambda b: before(read("ffmpeg.m4a"), b"mdat", b)),
        "wav": ("0x0", lambda b: sounds.riff(sounds.FORMAT, sounds.chunk(b"note", b), sounds.DATA)),
        "zip": ("0x0", lambda b: archive(Entry(b"a.pdf", b))),
        "txt": ("0x0", lambda b: TEXT + b),
        "csv": ("0x0", lambda b: TEXT + b),
    }


def with_film(film, still):
    """Puts the index and the data of a film behind a picture."""
    begin = isobmff.place(film, "ftyp")[2]
    return still + isobmff.moved(film, len(still) - begin)[begin:]


def before(data, kind, content):
    """Puts a box of free room in front of one. What a list of places names behind it has moved."""
    at = data.rindex(kind) - 4
    free = isobmff.box(b"free", content)
    return isobmff.moved(data[:at] + free + data[at:], len(free))


def with_archive(around):
    """Gives what around makes of an archive whose places count from the file's first byte and whose comment is all that follows it."""
    plain = archive(Entry(b"evil.html", b"<script>alert(1)</script>"))
    at = around(plain).index(plain)
    rest = len(around(plain)) - at - len(plain)
    directory, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    moved = bytearray(plain)
    for place, n in ((directory + 42, at), (end + 16, at + directory)):
        struct.pack_into("<I", moved, place, n)
    struct.pack_into("<H", moved, end + 20, rest)
    return around(bytes(moved))
