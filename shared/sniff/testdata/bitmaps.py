"""What no encoder at hand writes, by script: old BMP headers, GIF blocks, and PNG chunks."""
import struct
import zlib

W, H = 9, 5


def chunk(name, content):
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def apng_empty_data():
    """An animated PNG of two frames; the pixels of the second are in two chunks, one of them empty."""
    control = lambda n: chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 3, 2, 0, 0, 1, 9, 0, 0))
    pixels = zlib.compress((b"\0" + bytes(9)) * 2)
    return b"\x89PNG\r\n\x1a\n" + b"".join([
        chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)), chunk(b"acTL", struct.pack(">II", 2, 0)),
        control(0), chunk(b"IDAT", pixels), control(1), chunk(b"fdAT", struct.pack(">I", 2)),
        chunk(b"fdAT", struct.pack(">I", 3) + pixels), chunk(b"IEND", b"")])


def gif(*blocks, w=4, h=3):
    """A GIF of two colours."""
    return b"GIF89a" + struct.pack("<HHBBB", w, h, 0x80, 0, 0) + bytes(6) + b"".join(blocks) + b";"


def gif_frame(w=4, h=3, x=0, y=0, code=2, data=b""):
    """A frame whose pixels, or the first 60 of many, are written without compression."""
    if not data:
        codes = ([4, 0, 1] * min(w * h, 60))[:min(w * h, 60) * 3 // 2] + [5]  # clear the table, black, white; the end
        bits = sum(c << 3 * n for n, c in enumerate(codes))
        data = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
    return b"," + struct.pack("<HHHHB", x, y, w, h, 0) + bytes([code, len(data)]) + data + b"\0"


def gif_blocks():
    """Name, blocks and description of each GIF that viewers show though it strays from the specification."""
    yield "unknown-extension.gif", [b"\x21\x42\x05Hello\x05World\0", gif_frame()], "an extension that nobody knows"
    yield "frame-outside.gif", [gif_frame(x=1)], "a frame that reaches outside the screen"
    yield "frame-below.gif", [gif_frame(h=4)], "a frame that reaches below the screen"
    yield "frame-beside.gif", [gif_frame(), gif_frame(x=4, y=3)], "a frame beside the screen"
    yield "code-size-0.gif", [gif_frame(1, 1, code=0, data=b"\x05")], "codes of no bits"
    yield "code-size-1.gif", [gif_frame(1, 1, code=1, data=b"\x32")], "codes of 1 bit"
    yield "zeros-between.gif", [gif_frame(), bytes(3), gif_frame(), b"\0"], "zeros behind frames"


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
    yield "info-short-palette.bmp", bmp(40, 8, palette=bytes(4 * 53)), "script: BITMAPINFOHEADER, 8 bits, a palette of 53 colours that are not counted"
    yield "info-24-colours.bmp", bmp(40, 24, colours=1 << 24), "script: BITMAPINFOHEADER, 24 bits with a count of 16,777,216 colours and no palette"
    yield "info-32-colours.bmp", bmp(40, 32, 3, masks=MASKS888, colours=0xFFFFFFFF), "script: BITMAPINFOHEADER, 32 bits with a count of 4,294,967,295 colours and no palette"
    yield "info-24-large-palette.bmp", bmp(40, 24, colours=300, palette=bytes(1200)), "script: BITMAPINFOHEADER, 24 bits with a palette of 300 colours"
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
    yield "v5-profile-far.bmp", bmp(124, 32, 3, v5=v5(124 + W * H * 4 + 20, len(profile), b"DEBM"), after=bytes(20) + profile), "script: BITMAPV5HEADER, 20 zeros, profile"
    yield "v5-profile-first-colours.bmp", bmp(124, 32, 3, colours=9, v5=v5(124, len(profile), b"DEBM"), gap=profile), "script: BITMAPV5HEADER, profile before the pixels, a count of 9 colours and no palette"
    yield "v5-profile-first.bmp", bmp(124, 32, 3, v5=v5(124, len(profile), b"DEBM"), gap=profile), "script: BITMAPV5HEADER, profile before the pixels"
