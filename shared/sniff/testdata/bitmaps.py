"""BMP headers that no encoder at hand writes any more, by script; and the making of one PNG chunk."""
import struct
import zlib

W, H = 9, 5


def chunk(name, content):
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bmp(length, depth, compression=0, palette=None, pixels=None, masks=b"", height=H, width=W, entry=4, gap=b"", after=b"",
        colours=0, size=None, planes=1, offset=None, v5=b""):
    """A BMP with an info header of any length."""
    if palette is None:
        palette = bytes(entry * (1 << depth)) if depth <= 8 else b""
    if pixels is None:
        pixels = bytes(range(1, 200)) * 4
        pixels = pixels[:(width * depth + 31) // 32 * 4 * abs(height)]
    if length == 12:
        info = struct.pack("<IHHHH", 12, width, height, planes, depth)
    else:
        info = struct.pack("<IiiHHIIiiII", length, width, height, planes, depth, compression, len(pixels), 2835, 2835, colours, 0)
        info = (info + v5 + bytes(124))[:length]
    body = info + masks + palette + gap
    start = 14 + len(body) if offset is None else offset
    total = 14 + len(body) + len(pixels) + len(after) if size is None else size
    return b"BM" + struct.pack("<IHHI", total, 0, 0, start) + body + pixels + after


def v5(profile_at=0, profile_len=0, space=b"BGRs"):
    """The fields that V2 to V5 add after the first 40 bytes, for 32 bits a pixel."""
    return struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + space + bytes(36 + 12) + struct.pack("<IIII", 4, profile_at, profile_len, 0)


MASKS565 = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
MASKS888 = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
# Runs, literals with their filler, a move, ends of line, the end.
RLE8 = bytes([9, 1, 0, 0, 0, 3, 5, 6, 7, 0, 6, 2, 0, 0, 0, 2, 3, 1, 2, 4, 0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 1])
RLE4 = bytes([9, 0x12, 0, 0, 0, 3, 0x56, 0x70, 6, 0x21, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 0, 1])


def generations():
    """Name, bytes and description of each."""
    for depth in (1, 4, 8, 24):
        yield f"core-{depth}.bmp", bmp(12, depth, entry=3), f"script: BITMAPCOREHEADER, {depth} bits"
    yield "core-short-palette.bmp", bmp(12, 8, palette=bytes(3 * 7)), "script: BITMAPCOREHEADER, 8 bits, a palette of 7 colours"
    for length in (16, 36, 64):
        yield f"os2v2-{length}.bmp", bmp(length, 8), f"script: OS/2 2.x header cut to {length} bytes"
    yield "os2v2-64-rle8.bmp", bmp(64, 8, 1, pixels=RLE8), "script: OS/2 2.x header, RLE8"
    yield "info-4.bmp", bmp(40, 4, colours=5, palette=bytes(20)), "script: BITMAPINFOHEADER, 4 bits, 5 colours"
    yield "info-2.bmp", bmp(40, 2), "script: BITMAPINFOHEADER, 2 bits (Windows CE)"
    yield "info-topdown.bmp", bmp(40, 24, height=-H), "script: BITMAPINFOHEADER, rows from the top"
    yield "info-16.bmp", bmp(40, 16), "script: BITMAPINFOHEADER, 16 bits"
    yield "info-565.bmp", bmp(40, 16, 3, masks=MASKS565), "script: BITMAPINFOHEADER, bit fields"
    yield "info-alphabitfields.bmp", bmp(40, 32, 6, masks=MASKS888 + bytes([0, 0, 0, 255])), "script: BITMAPINFOHEADER, alpha bit fields"
    yield "info-24-palette.bmp", bmp(40, 24, colours=6, palette=bytes(24)), "script: BITMAPINFOHEADER, 24 bits with a palette for poor screens"
    yield "info-rle8.bmp", bmp(40, 8, 1, pixels=RLE8), "script: RLE8"
    yield "info-rle4.bmp", bmp(40, 4, 2, pixels=RLE4), "script: RLE4"
    yield "info-gap.bmp", bmp(40, 24, gap=bytes(10)), "script: room between header and pixels"
    yield "info-size0.bmp", bmp(40, 24, size=0), "script: file size 0 in the header"
    yield "core-size-headers.bmp", bmp(12, 24, size=26), "script: file size is that of the headers, as old OS/2 tools wrote it"
    yield "photoshop-end.bmp", bmp(40, 24, after=bytes(2)), "script: two zeros after the pixels, as Photoshop writes"
    yield "v2.bmp", bmp(52, 32, 3, v5=v5()), "script: BITMAPV2INFOHEADER"
    yield "v3.bmp", bmp(56, 32, 3, v5=v5()), "script: BITMAPV3INFOHEADER"
    yield "v4.bmp", bmp(108, 32, 3, v5=v5()), "script: BITMAPV4HEADER"
    yield "v5.bmp", bmp(124, 32, 3, v5=v5()), "script: BITMAPV5HEADER"
    profile = b"an ICC profile would stand here."
    yield "v5-profile.bmp", bmp(124, 32, 3, v5=v5(124 + W * H * 4, len(profile), b"DEBM"), after=profile), "script: BITMAPV5HEADER, profile after the pixels"
    yield "v5-profile-gap.bmp", bmp(124, 32, 3, v5=v5(124 + W * H * 4 + 3, len(profile), b"DEBM"), after=bytes(3) + profile), "script: BITMAPV5HEADER, three zeros, profile"
    yield "v5-profile-first.bmp", bmp(124, 32, 3, v5=v5(124, len(profile), b"DEBM"), gap=profile), "script: BITMAPV5HEADER, profile before the pixels"
