"""Files that must be refused, most of them genuine ones that were spoiled."""
import io
import struct
import zipfile

import bitmaps
import isobmff
import webp
from bitmaps import MASKS565, RLE4, RLE8, bmp, chunk, gif, gif_frame as frame
from genuine import mpf, samsung, with_segment

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PHP = b"<?php system($_GET['c']); ?>"


def header(width=3, height=2, depth=8, colour=2, rest=b"\0\0\0"):
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)


IDAT = chunk(b"IDAT", bytes.fromhex("789c6360800100000e0001"))  # any bytes will do: nothing is inflated
END = chunk(b"IEND", b"")


def png(*chunks):
    return SIGNATURE + b"".join(chunks) + END


def archive():
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w") as z:
        z.writestr("evil.html", "<script>alert(1)</script>")
    return b.getvalue()


def make(add, genuine):
    read = lambda name: (genuine / name).read_bytes()
    mismatches(add, read)
    png_refused(add, read("go-nrgba.png"))
    jpeg_refused(add, read("cjpeg.jpg"), read("cjpeg-gray.jpg"), read("cjpeg-progressive.jpg"), read("cjpeg-restart.jpg"))
    further_refused(add, read("cjpeg.jpg"), read("cjpeg-gray.jpg"), read("motion.jpg"))
    gif_refused(add, read("pillow.gif"))
    bmp_refused(add)
    webp.refused(add, read, PHP, archive())
    isobmff.refused(add, read, PHP, archive())


def mismatches(add, read):
    def refused(name, data, how):
        add(name, data, how, "type_mismatch")

    refused("cat.png", b"#!/bin/sh\necho meow\n", "a shell script named png")
    refused("page.png", b"\xef\xbb\xbf\n <!DOCTYPE HTML><script>alert(1)</script>", "an HTML page named png, behind a byte order mark")
    refused("jpeg-inside.png", read("cjpeg.jpg"), "a JPEG named png")
    refused("png-inside.jpg", read("go-nrgba.png"), "a PNG named jpg")
    refused("gif-inside.jpeg", read("go.gif"), "a GIF named jpeg")
    refused("bmp-inside.gif", read("sdl.bmp"), "a BMP named gif")
    refused("gif-inside.bmp", read("go.gif"), "a GIF named bmp")
    refused("svg.gif", b"<?xml version='1.0'?><svg onload='alert(1)'/>", "an SVG named gif")
    refused("archive.jpg", archive(), "a ZIP archive named jpg")
    refused("document.jpg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF named jpg")
    refused("program.bmp", b"MZ\x90\0\x03\0\0\0", "a Windows program named bmp")
    refused("matcher.png", b"\x89PNG<html>", "the four bytes that the matcher looks at, then HTML")
    refused("matcher.gif", b"GIF<html><script>alert(1)</script>", "the three bytes that the matcher looks at, then HTML")
    refused("matcher.bmp", b"BM<script>alert(1)</script>", "the two bytes that the matcher looks at, then HTML")
    refused("webp.bmp", b"BM000000WEBP" + bytes(9), "both BMP and WebP for matchers that are asked in turn")
    refused("version.gif", b"GIF88a" + read("go.gif")[6:], "a GIF version that does not exist")
    refused("zeros.png", bytes(600), "zeros alone")
    refused("control.png", b"\x1b]0;title\x07\x00\xff\xfe", "control characters for a terminal")


def png_refused(add, whole):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    refused("empty.png", b"", "no bytes", "truncated")
    refused("signature-cut.png", SIGNATURE[:5], "half a signature", "truncated")
    refused("signature-only.png", SIGNATURE, "a signature alone", "truncated")
    refused("cut-in-idat.png", whole[: whole.index(b"IDAT") + 30], "cut within IDAT", "truncated")
    refused("no-end.png", whole[:-12], "without IEND", "truncated")
    refused("end-cut.png", whole[:-1], "the last byte of IEND is missing", "truncated")
    refused("length-beyond.png", SIGNATURE + header() + struct.pack(">I", 0x7FFFFFFF) + b"IDAT" + bytes(50), "IDAT claims 2 GB", "truncated")
    refused("as-text.png", whole.replace(b"\r\n", b"\n"), "sent as text: line ends changed")
    refused("bad-crc.png", whole[:-14] + bytes([whole[-14] ^ 1]) + whole[-13:], "a wrong checksum of IDAT")
    refused("bad-crc-ihdr.png", whole[:20] + b"\xff" + whole[21:], "a width that the checksum does not cover")
    refused("bad-crc-text.png", png(header(), chunk(b"tEXt", b"a\0b")[:-1] + b"!", IDAT), "a wrong checksum of tEXt")
    refused("no-ihdr.png", png(IDAT), "no IHDR")
    refused("late-ihdr.png", png(chunk(b"tEXt", b"a\0b"), header(), IDAT), "IHDR is second")
    refused("two-ihdr.png", png(header(), header(), IDAT), "two IHDR")
    refused("long-ihdr.png", png(chunk(b"IHDR", header()[8:21] + b"\0"), IDAT), "IHDR of 14 bytes")
    refused("zero-width.png", png(header(width=0), IDAT), "width 0")
    refused("zero-height.png", png(header(height=0), IDAT), "height 0")
    refused("depth.png", png(header(depth=3), IDAT), "depth 3")
    refused("colour.png", png(header(colour=5), IDAT), "colour type 5")
    refused("depth-colour.png", png(header(depth=16, colour=3), chunk(b"PLTE", bytes(9)), IDAT), "palette of depth 16")
    refused("compression.png", png(header(rest=b"\1\0\0"), IDAT), "compression 1")
    refused("filter.png", png(header(rest=b"\0\x40\0"), IDAT), "filter of MNG")
    refused("interlace.png", png(header(rest=b"\0\0\2"), IDAT), "interlace 2")
    refused("giant.png", png(header(50001, 50001), IDAT), "50001 x 50001 pixels", "too_many_pixels")
    refused("giant-most.png", png(header(0x7FFFFFFF, 0x7FFFFFFF), IDAT), "the largest PNG there can be", "too_many_pixels")
    refused("giant-beyond.png", png(header(0xFFFFFFFF, 0xFFFFFFFF), IDAT), "sides of 32 bits", "too_many_pixels")
    refused("long-side.png", png(header(16385, 1), IDAT), "one long side", "too_many_pixels")
    refused("no-idat.png", png(header()), "no IDAT")
    refused("empty-idat.png", png(header(), chunk(b"IDAT", b"")), "empty IDAT")
    refused("split-idat.png", png(header(), IDAT, chunk(b"tEXt", b"a\0b"), IDAT), "IDAT chunks with another between")
    refused("no-plte.png", png(header(colour=3), IDAT), "no palette")
    refused("late-plte.png", png(header(), IDAT, chunk(b"PLTE", bytes(9))), "palette after the pixels")
    refused("two-plte.png", png(header(colour=3), chunk(b"PLTE", bytes(9)), chunk(b"PLTE", bytes(9)), IDAT), "two palettes")
    refused("odd-plte.png", png(header(colour=3), chunk(b"PLTE", bytes(10)), IDAT), "palette of 3 1/3 colours")
    refused("long-plte.png", png(header(depth=1, colour=3), chunk(b"PLTE", bytes(9)), IDAT), "three colours for one bit")
    refused("grey-plte.png", png(header(colour=0), chunk(b"PLTE", bytes(9)), IDAT), "palette of a grey picture")
    refused("chunk-name.png", png(header(), chunk(b"te>t", b"a"), IDAT), "a chunk name with a character that is no letter")
    refused("chunk-reserved.png", png(header(), chunk(b"text", b"a"), IDAT), "a chunk name whose third letter is small")
    refused("chunk-critical.png", png(header(), chunk(b"EVIL", b"a"), IDAT), "an unknown chunk that claims to be needed")
    refused("apple.png", SIGNATURE + chunk(b"CgBI", b"\x50\0\x20\2") + header() + IDAT + END, "Xcode's private form: CgBI before IHDR")
    refused("chunk-length.png", SIGNATURE + header() + b"\x80\0\0\0IDAT", "a length of more than 31 bits")
    refused("long-end.png", SIGNATURE + header() + IDAT + chunk(b"IEND", b"more"), "IEND with content")
    refused("zip-behind.png", whole + archive(), "a ZIP archive behind the end: both PNG and ZIP", "trailing_data")
    refused("script-behind.png", whole + PHP, "a PHP script behind the end", "trailing_data")
    refused("zeros-then-script.png", whole + bytes(9) + b"<script>", "zeros, then HTML behind the end", "trailing_data")
    refused("two.png", whole + whole, "two PNGs in a row", "trailing_data")

    control = lambda n, w=3, h=2, x=0, y=0, op=b"\0\0": chunk(b"fcTL", struct.pack(">IIIIIHH", n, w, h, x, y, 1, 9) + op)
    data = lambda n: chunk(b"fdAT", struct.pack(">I", n) + b"pixels")
    begin, canvas = chunk(b"acTL", struct.pack(">II", 2, 0)), header()
    refused("apng-no-actl.png", png(canvas, control(0), IDAT), "fcTL without acTL")
    refused("apng-late-actl.png", png(canvas, IDAT, begin, control(0), data(1)), "acTL after the pixels")
    refused("apng-zero.png", png(canvas, chunk(b"acTL", bytes(8)), control(0), IDAT), "an animation of 0 frames")
    refused("apng-none.png", png(canvas, begin, IDAT), "acTL without a frame")
    refused("apng-sequence.png", png(canvas, begin, control(0), IDAT, control(2), data(3)), "a sequence number is missing")
    refused("apng-outside.png", png(canvas, begin, control(0), IDAT, control(1, x=1), data(2)), "a frame reaches outside the picture")
    refused("apng-below.png", png(canvas, begin, control(0), IDAT, control(1, y=1), data(2)), "a frame reaches below the picture")
    refused("apng-overflow.png", png(canvas, begin, control(0), IDAT, control(1, x=0xFFFFFFFF), data(2)), "a frame whose place overflows 32 bits")
    refused("apng-first.png", png(canvas, begin, control(0, w=2), IDAT), "the first frame is smaller than the still picture it is")
    refused("apng-zero-frame.png", png(canvas, begin, control(0), IDAT, control(1, w=0), data(2)), "a frame of width 0")
    refused("apng-dispose.png", png(canvas, begin, control(0, op=b"\3\0"), IDAT), "an unknown way to dispose of a frame")
    refused("apng-no-data.png", png(canvas, begin, control(0), IDAT, control(1)), "a frame without data")
    refused("apng-empty-frame.png", png(canvas, begin, control(0), IDAT, control(1), chunk(b"fdAT", struct.pack(">I", 2))), "a frame whose only fdAT is empty")
    refused("apng-short-data.png", png(canvas, begin, control(0), IDAT, control(1), chunk(b"fdAT", b"\0\0\2"), data(2)), "an fdAT shorter than its number")
    refused("apng-two-controls.png", png(canvas, begin, control(0), IDAT, control(1), control(2), data(3)), "two fcTL in a row")
    refused("apng-early-data.png", png(canvas, begin, control(0), data(1), IDAT), "fdAT before IDAT")
    refused("apng-no-control.png", png(canvas, begin, IDAT, data(0)), "fdAT without fcTL")
    frames = [control(0, 7000, 7000), IDAT]
    for n in range(40):
        frames += [control(2 * n + 1, 7000, 7000), data(2 * n + 2)]
    refused("apng-bomb.png", png(header(7000, 7000), begin, *frames), "41 frames of 49 million pixels", "too_many_pixels")


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_refused(add, whole, gray, progressive, restart):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    sof, sos, dqt, dht = (whole.index(bytes([0xFF, m])) for m in (0xC0, 0xDA, 0xDB, 0xC4))
    pixels = sos + 2 + struct.unpack(">H", whole[sos + 2 : sos + 4])[0]

    def patched(at, new, of=whole):
        return of[:at] + new + of[at + len(new) :]

    refused("empty.jpg", b"", "no bytes", "truncated")
    refused("start-only.jpg", b"\xff\xd8", "SOI alone", "truncated")
    refused("cut-in-header.jpg", whole[: sof + 6], "cut in the frame header", "truncated")
    refused("cut-in-scan.jpg", whole[: pixels + 40], "cut in the pixels", "truncated")
    refused("no-end.jpg", whole[:-2], "without EOI", "truncated")
    refused("half-end.jpg", whole[:-1], "half an EOI", "truncated")
    refused("matcher.jpg", b"\xff\xd8\xff" + PHP, "the three bytes that the matcher looks at, then PHP")
    refused("script-comment-cut.jpg", b"\xff\xd8" + segment(0xFE, PHP), "a comment and no picture", "truncated")
    refused("start-end.jpg", b"\xff\xd8\xff\xd9", "SOI, EOI")
    refused("script-behind.jpg", whole + PHP, "a PHP script behind EOI", "trailing_data")
    refused("zip-behind.jpg", whole + archive(), "a ZIP archive behind EOI", "trailing_data")
    refused("rubbish-between.jpg", whole[:sof] + b"<script>" + whole[sof:], "bytes between two segments")
    refused("segment-length.jpg", whole[:2] + b"\xff\xfe\x00\x01" + whole[2:], "a segment shorter than its own length")
    refused("second-start.jpg", whole[:2] + whole, "SOI twice")
    refused("reserved.jpg", whole[:2] + segment(0x02, b"x") + whole[2:], "a reserved marker")
    refused("jpeg-ls.jpg", patched(sof + 1, b"\xf7"), "a frame header of JPEG-LS")
    refused("no-frame.jpg", whole[:sof] + whole[sof + 2 + struct.unpack(">H", whole[sof + 2 : sof + 4])[0] :], "pixels without a frame header")
    refused("two-frames.jpg", whole[:sof] + whole[sof:sof + 19] + whole[sof:], "two frame headers")
    refused("no-scan.jpg", whole[:sos] + b"\xff\xd9", "no pixels")
    refused("empty-scan.jpg", whole[:pixels] + b"\xff\xd9", "a scan header and no pixels")
    refused("precision.jpg", patched(sof + 4, b"\x09"), "9 bits a sample")
    refused("no-components.jpg", patched(sof + 9, b"\0"), "no components")
    refused("sampling.jpg", patched(sof + 11, b"\x52"), "a sampling factor of 5")
    refused("same-component.jpg", patched(sof + 13, whole[sof + 10 : sof + 11]), "the same component twice")
    refused("frame-length.jpg", patched(sof + 9, b"\x04"), "four components in a header for three")
    refused("five-components.jpg", whole[: sof + 2] + b"\0\x17" + whole[sof + 4 : sof + 9] + b"\5" + whole[sof + 10 : sof + 19] + b"\4\x11\0\5\x11\0" + whole[sof + 19 :], "five components")
    refused("zero-width.jpg", patched(sof + 7, b"\0\0"), "width 0")
    refused("zero-height.jpg", patched(sof + 5, b"\0\0"), "height 0, and no DNL")
    refused("giant.jpg", patched(sof + 5, b"\xff\xff\xff\xff"), "65535 x 65535 pixels", "too_many_pixels")
    refused("giant-dnl.jpg", patched(sof + 5, b"\0\0")[:-2] + segment(0xDC, b"\xff\xff") + b"\xff\xd9", "65535 lines, said after the pixels")
    refused("dnl-contradicts.jpg", whole[:-2] + segment(0xDC, b"\0\1") + b"\xff\xd9", "DNL contradicts the frame header")
    refused("dnl-early.jpg", whole[:sos] + segment(0xDC, b"\0\x17") + whole[sos:], "DNL before the pixels")
    refused("scan-length.jpg", patched(sos + 4, b"\x04"), "a scan header for four components, with three")
    refused("scan-component.jpg", patched(sos + 5, b"\x99"), "a scan of a component that the frame has not")
    refused("scan-table.jpg", patched(sos + 6, b"\x44"), "a scan with table 4")
    refused("scan-table-ac.jpg", patched(sos + 6, b"\x04"), "a scan with AC table 4")
    refused("scan-table-dc.jpg", patched(sos + 6, b"\x40"), "a scan with DC table 4")
    refused("frame-table.jpg", patched(sof + 12, b"\x04"), "a component with quantization table 4")
    grey = gray.index(b"\xff\xc0")
    refused("frame-empty.jpg", gray[:grey] + segment(0xC0, gray[grey + 4 : grey + 9] + b"\0") + gray[grey + 13 :], "a frame header with no components, of the right length")
    frame = progressive.index(b"\xff\xc2")
    refused("precision-progressive.jpg", patched(frame + 4, b"\x09", of=progressive), "9 bits a sample in a progressive picture")
    refused("dac.jpg", whole[:2] + segment(0xCC, b"\0") + whole[2:], "half an arithmetic coding condition")
    refused("dqt.jpg", patched(dqt + 4, b"\x10"), "a quantization table said to be of 16 bits")
    refused("no-dqt.jpg", whole[:dqt] + whole[sof:], "no quantization table")
    refused("one-dqt.jpg", patched(sof + 15, b"\3"), "a component whose quantization table is not defined")
    refused("dht-oversubscribed.jpg", whole[:sos] + segment(0xC4, b"\0\2\1" + bytes(14) + b"\1\2\3") + whole[sos:], "a DC table with more codes than fit")
    refused("dht-oversubscribed-ac.jpg", whole[:sos] + segment(0xC4, b"\x10\2\1" + bytes(14) + b"\1\2\3") + whole[sos:], "an AC table with more codes than fit")
    refused("dht-ones.jpg", whole[:sos] + segment(0xC4, b"\0\2" + bytes(15) + b"\1\2") + whole[sos:], "a DC table with a code of ones alone")
    refused("dht-dc.jpg", whole[:sos] + segment(0xC4, b"\0\1" + bytes(15) + b"\x10") + whole[sos:], "a DC table that says 16 bits")
    bad = segment(0xC4, b"\0\2\1" + bytes(14) + b"\1\2\3" + b"\x10\2\1" + bytes(14) + b"\1\2\3")
    begin = progressive.index(b"\xff\xda")
    refused("dht-progressive.jpg", progressive[:begin] + bad + progressive[begin:], "a progressive picture with tables of more codes than fit")
    begin = progressive.index(b"\xff\xda", progressive.index(b"\xff\xc4", begin))
    bad = segment(0xC4, b"\x10\2\1" + bytes(14) + b"\1\2\3" + b"\x11\2\1" + bytes(14) + b"\1\2\3")
    refused("dht-progressive-ac.jpg", progressive[:begin] + bad + progressive[begin:], "a progressive scan of AC with tables of more codes than fit")
    refused("dht-number.jpg", whole[:sos] + segment(0xC4, b"\4\1" + bytes(15) + b"\1") + whole[sos:], "a Huffman table of the number 4")
    refused("dht-class.jpg", whole[:sos] + segment(0xC4, b"\x20\1" + bytes(15) + b"\1") + whole[sos:], "a Huffman table that is neither DC nor AC")
    refused("dqt-class.jpg", whole[:2] + segment(0xDB, b"\x20" + b"\1" * 192) + whole[2:], "a quantization table of 24 bits")
    refused("sof5.jpg", patched(sof + 1, b"\xc5"), "a differential frame, which hierarchical pictures alone have")
    refused("dht-short.jpg", whole[:sos] + segment(0xC4, b"\0\1") + whole[sos:], "a Huffman table of two bytes")
    refused("dht-long.jpg", whole[:sos] + segment(0xC4, b"\x11" + bytes(8) + b"\x20" * 8 + bytes(1) + bytes(256)) + whole[sos:], "a Huffman table of 256 codes and a byte more")
    refused("dht-257.jpg", whole[:sos] + segment(0xC4, b"\x13" + bytes(14) + b"\xff\2" + bytes(257)) + whole[sos:], "a Huffman table of 257 codes")
    refused("dqt-number.jpg", whole[:2] + segment(0xDB, b"\4" + b"\1" * 64) + whole[2:], "a quantization table of the number 4")
    refused("dnl-short.jpg", whole[:-2] + segment(0xDC, b"\0") + b"\xff\xd9", "DNL of one byte")
    refused("scan-twice.jpg", patched(sos + 7, whole[sos + 5 : sos + 6]), "a scan that names one component twice")
    refused("three-blanks.jpg", whole + b"\r\n ", "three bytes of text behind EOI", "trailing_data")
    refused("fill-end.jpg", whole + b"\xff\xff\xd9", "an EOI more behind fill", "trailing_data")
    refused("previews-17.jpg", whole + gray * 17, "17 pictures behind the first", "trailing_data")
    refused("preview-cut.jpg", whole + gray[:-9], "the picture behind the first is cut", "truncated")
    refused("preview-script.jpg", whole + gray + PHP, "a PHP script behind a second picture", "trailing_data")
    refused("dht.jpg", patched(dht + 5, b"\xff"), "a Huffman table with more symbols than bytes")
    refused("dri.jpg", whole[:2] + segment(0xDD, b"\1") + whole[2:], "DRI of one byte")
    refused("exp.jpg", whole[:2] + segment(0xDF, b"\x11") + whole[2:], "EXP, which hierarchical pictures alone have")
    steps = progressive.index(b"\xff\xda")
    count = progressive[steps + 4]
    refused("progression.jpg", patched(steps + 5 + 2 * count, b"\x05", of=progressive), "a progressive scan from coefficient 5 to 0")
    refused("progression-mixed.jpg", patched(steps + 6 + 2 * count, b"\x05", of=progressive), "a progressive scan of coefficients 0 to 5")
    refused("scan-long.jpg", whole[:sos] + b"\xff\xda" + struct.pack(">H", pixels - sos - 1) + whole[sos + 4 : pixels] + b"\0" + whole[pixels:], "a scan header that is a byte too long")
    while progressive[steps + 4] != 1 or progressive[steps + 7] == 0:
        steps = progressive.index(b"\xff\xda", steps + 2)
    refused("progression-end.jpg", patched(steps + 8, b"\x40", of=progressive), "a progressive scan up to coefficient 64")
    refused("progression-back.jpg", patched(steps + 7, b"\x3f\x01", of=progressive), "a progressive scan from coefficient 63 to 1")
    refused("progression-bits.jpg", patched(steps + 9, b"\x51", of=progressive), "a progressive scan that refines bit 5 to bit 1")
    refused("restart-unasked.jpg", whole[: pixels + 20] + b"\xff\xd0" + whole[pixels + 20 :], "a restart marker without DRI")
    first = restart.index(b"\xff\xd0", restart.index(b"\xff\xda"))
    refused("restart-turn.jpg", patched(first + 1, b"\xd3", of=restart), "RST3 where RST0 must be")


def further_refused(add, whole, gray, motion):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    good = mpf(whole, [gray])
    end = len(good) - len(gray)
    entry = good.index(b"MPF\0") + 4 + 8 + 2 + 36 + 4 + 16  # the second picture's entry
    offset = entry + 8
    base = good.index(b"MPF\0") + 4

    refused("mpf-not-jpeg.jpg", mpf(whole, [b"#!/bin/sh\necho " + bytes(90)]), "an MPF index that announces a script", "trailing_data")
    refused("mpf-cut.jpg", good[:-30], "the announced picture is cut", "truncated")
    refused("mpf-payload-between.jpg", mpf(whole, [PHP + gray])[:offset] + struct.pack("<I", end - base + len(PHP)) + mpf(whole, [PHP + gray])[offset + 4 :],
         "a PHP script between the announced pictures", "trailing_data")
    refused("mpf-payload-behind.jpg", good + PHP, "a PHP script behind the announced picture", "trailing_data")
    sof = gray.index(b"\xff\xc0")
    giant = gray[: sof + 5] + b"\xff\xff\xff\xff" + gray[sof + 9 :]
    refused("mpf-giant.jpg", mpf(whole, [giant]), "the announced picture is too large", "too_many_pixels")
    refused("mpf-corrupt.jpg", mpf(whole, [gray[:-2] + b"\xff\xd8" + gray[-2:]]), "the announced picture is damaged")
    video = motion.index(b"ftyp") - 4
    film = motion[video:]
    picture = motion[:video]
    refused("samsung-script.jpg", picture + samsung([(0x0A30, b"MotionPhoto_Data", PHP)]), "Samsung's trailer with a script for a video")
    refused("samsung-two.jpg", picture + samsung([(0x0A30, b"MotionPhoto_Data", film)] * 2), "Samsung's trailer with two videos", "trailing_data")
    good = picture + samsung([(0x0A01, b"Image_UTC_Data", b"1700000000000"), (0x0A30, b"MotionPhoto_Data", film)])
    refused("samsung-gap.jpg", good.replace(b"\0\0\x30\x0a\x10", PHP + b"\0\0\x30\x0a\x10"), "a PHP script between the blocks of Samsung's trailer")
    refused("samsung-payload.jpg", good.replace(b"SEFH", PHP + b"SEFH"), "a PHP script before the directory of Samsung's trailer")
    late = picture + samsung([(0x0A30, b"MotionPhoto_Data", film), (0x0A01, b"Image_UTC_Data", b"1700000000000")])
    start, (n,) = late.index(b"SEFH"), struct.unpack("<I", late[late.index(b"SEFH") + 32 : late.index(b"SEFH") + 36])
    refused("samsung-short.jpg", late[: start + 32] + struct.pack("<I", n - 3) + late[start + 36 :], "three bytes behind the blocks of Samsung's trailer")
    refused("samsung-length.jpg", good[:-8] + struct.pack("<I", 37) + good[-4:], "Samsung's directory contradicts its length")
    end = good.index(b"SEFH")
    whole_block = struct.pack("<HHII", 0, 0x0A30, end - len(picture), end - len(picture))
    refused("samsung-merged.jpg", good[: end + 8] + struct.pack("<I", 1) + whole_block + struct.pack("<I", 24) + b"SEFT", "Samsung's directory lists no block that is the video")
    refused("samsung-cut.jpg", good[:-4], "Samsung's trailer is cut", "truncated")
    refused("samsung-end.jpg", good[:-4] + b"SEFX", "Samsung's trailer ends otherwise")
    refused("samsung-count.jpg", good.replace(struct.pack("<II", 107, 2), struct.pack("<II", 107, 0xFFFFFFFF)), "Samsung's trailer claims 4 thousand million blocks")
    refused("motion-cut.jpg", motion[:-20], "the video is cut", "truncated")
    refused("motion-ftyp-only.jpg", motion[: video + film[3]], "a video of its first box alone", "truncated")
    refused("motion-payload.jpg", motion + PHP, "a PHP script behind the video", "trailing_data")
    refused("motion-open-box.jpg", motion[: video + film[3]] + b"\0\0\0\0mdat" + PHP, "a box without an end")
    refused("motion-short-box.jpg", motion[: video + film[3]] + b"\0\0\0\3moov" + PHP, "a box shorter than its own header")
    refused("motion-no-boxes.jpg", motion[: video + film[3]] + bytes(range(128, 160)), "no boxes behind the first")


def gif_refused(add, whole):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    table = 13 + 3 * (2 << (whole[10] & 7))
    comment = whole.index(b"\x21\xfe", table)
    refused("empty.gif", b"", "no bytes", "truncated")
    refused("signature-cut.gif", b"GIF8", "half a signature", "truncated")
    refused("header-only.gif", whole[:13], "cut before the colour table", "truncated")
    refused("cut-in-table.gif", whole[:20], "cut in the colour table", "truncated")
    refused("cut-in-comment.gif", whole[: comment + 5], "cut in the comment", "truncated")
    refused("no-trailer.gif", whole[:-1], "without its trailer", "truncated")
    refused("html-inside.gif", b"GIF89a<script>alert(1)</script>" + bytes(40), "a GIF header, then HTML: as numbers, its letters are too many pixels", "too_many_pixels")
    refused("javascript.gif", b"GIF89a=1;alert(1)//" + bytes(3) + b";", "both GIF and JavaScript", "too_many_pixels")
    refused("script-behind.gif", whole + PHP, "a PHP script behind the trailer", "trailing_data")
    refused("zip-behind.gif", whole + archive(), "a ZIP archive behind the trailer", "trailing_data")
    refused("two-trailers.gif", whole + b";", "two trailers", "trailing_data")
    refused("no-frame.gif", gif(), "no frame")
    refused("zero-width.gif", gif(frame(), w=0, h=3), "width 0")
    refused("zero-height.gif", gif(frame(), w=4, h=0), "height 0")
    refused("frame-far.gif", gif(frame(x=0xFFFF)), "a frame far outside the screen", "too_many_pixels")
    refused("frame-wide.gif", gif(frame(x=9000), frame(y=9000)), "two frames whose canvas is 9004 x 9003 pixels", "too_many_pixels")
    refused("bomb-outside.gif", gif(*[frame(1, 1)] * 32, frame(1, 1, x=6999, y=6999)), "32 frames of one pixel, and one that makes their canvas 7000 x 7000", "too_many_pixels")
    refused("zeros-first.gif", gif(b"\0", frame()), "a zero before the first frame")
    refused("extension-loose.gif", gif(b"\x21\x42\x01ab", frame()), "an unknown extension whose blocks do not end", "truncated")
    refused("extension-then-script.gif", gif(b"\x21\x42\x01a\0" + PHP, frame()), "a PHP script behind an unknown extension")
    refused("frame-zero.gif", gif(frame(w=0)), "a frame of width 0")
    refused("code-size.gif", gif(frame(code=9)), "codes of 9 bits")
    refused("frame-empty.gif", gif(frame()[:11] + b"\0"), "a frame without pixels")
    refused("block.gif", gif(b"<", frame()), "an unknown block")
    refused("control-length.gif", gif(b"\x21\xf9\x05\0\0\0\0\0\0", frame()), "a graphic control extension of 5 bytes")
    refused("control-end.gif", gif(b"\x21\xf9\x04\0\0\0\0\x01", frame()), "a graphic control extension with more blocks")
    refused("plain-text-length.gif", gif(b"\x21\x01\x05hello\0", frame()), "a plain text extension that begins with 5 bytes")
    refused("application-length.gif", gif(b"\x21\xff\x05hello\0", frame()), "an application extension with a name of 5 bytes")
    refused("giant.gif", gif(frame(), w=65535, h=65535), "65535 x 65535 pixels", "too_many_pixels")
    refused("bomb.gif", gif(frame(7000, 7000) * 40, w=7000, h=7000), "40 frames of 49 million pixels", "too_many_pixels")
    refused("bomb-canvas.gif", gif(frame(1, 1) * 40, w=7000, h=7000), "40 frames of one pixel on 49 million", "too_many_pixels")


def bmp_refused(add):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    whole = bmp(40, 24)
    refused("empty.bmp", b"", "no bytes", "truncated")
    refused("letter.bmp", b"B", "half a signature", "truncated")
    refused("header-cut.bmp", whole[:16], "cut in the header", "truncated")
    refused("info-cut.bmp", whole[:40], "cut in the info header", "truncated")
    refused("palette-cut.bmp", bmp(40, 8)[:400], "cut in the palette", "truncated")
    refused("pixels-cut.bmp", whole[:-1], "the last byte is missing", "truncated")
    refused("rle-cut.bmp", bmp(40, 8, 1, pixels=RLE8[:-2]), "runs without the end of the bitmap", "truncated")
    refused("header-length.bmp", whole[:14] + b"\x29" + whole[15:], "an info header of 41 bytes", "type_mismatch")
    refused("script-behind.bmp", whole + PHP, "a PHP script behind the pixels", "trailing_data")
    refused("script-in-size.bmp", bmp(40, 24, after=PHP), "a PHP script that the file size counts in", "trailing_data")
    refused("zip-behind.bmp", whole + archive(), "a ZIP archive behind the pixels", "trailing_data")
    refused("rle-behind.bmp", bmp(40, 8, 1, pixels=RLE8 + PHP), "a PHP script behind the end of the bitmap", "trailing_data")
    refused("zero-width.bmp", bmp(40, 24, width=0, pixels=bytes(99)), "width 0")
    refused("zero-height.bmp", bmp(40, 24, height=0, pixels=bytes(99)), "height 0")
    refused("negative-width.bmp", bmp(40, 24, width=-9, pixels=bytes(99)), "a negative width")
    refused("giant.bmp", bmp(40, 24, width=0x7FFFFFFF, height=0x7FFFFFFF, pixels=bytes(9)), "2 thousand million pixels each way", "too_many_pixels")
    refused("giant-topdown.bmp", bmp(40, 24, height=-0x80000000, pixels=bytes(9)), "the smallest height there is", "too_many_pixels")
    refused("planes.bmp", bmp(40, 24, planes=3), "three planes")
    refused("depth.bmp", bmp(40, 7, colours=2, palette=bytes(8)), "7 bits a pixel")
    refused("compression.bmp", bmp(40, 24, 9), "an unknown compression")
    refused("jpeg-inside.bmp", bmp(40, 0, 4, palette=b"", pixels=b"\xff\xd8\xff"), "a JPEG inside")
    refused("png-inside.bmp", bmp(40, 0, 5, palette=b"", pixels=SIGNATURE), "a PNG inside")
    refused("rle8-depth.bmp", bmp(40, 4, 1, pixels=RLE8), "RLE8 with 4 bits")
    refused("rle8-topdown.bmp", bmp(40, 8, 1, pixels=RLE8, height=-5), "RLE8 from the top")
    refused("rle4-topdown.bmp", bmp(40, 4, 2, pixels=RLE4, height=-5), "RLE4 from the top")
    refused("core-16.bmp", bmp(12, 16), "16 bits with a core header")
    refused("os2-huffman.bmp", bmp(64, 1, 3), "OS/2's Huffman coding")
    refused("os2-fields.bmp", bmp(64, 16, 3), "bit fields with a header of OS/2")
    refused("fields-24.bmp", bmp(40, 24, 3, masks=MASKS565), "bit fields with 24 bits")
    refused("colours.bmp", bmp(40, 8, colours=257, palette=bytes(4 * 257)), "257 colours with 8 bits")
    refused("colours-giant.bmp", bmp(40, 8, colours=0xFFFFFFFF), "a palette of 16 GB")
    refused("colours-24-far.bmp", bmp(40, 24, colours=500, gap=bytes(1999)), "a palette of 500 colours where there is room for 499 and more")
    refused("colours-24-hidden.bmp", bmp(40, 24, colours=1000, palette=bytes(4000)), "a palette of 1000 colours that no pixel points into")
    refused("offset-inside.bmp", bmp(40, 8, offset=60), "pixels that begin in the palette")
    refused("offset-zero.bmp", bmp(40, 24, offset=0), "pixels that begin at 0")
    refused("offset-far.bmp", bmp(40, 24, gap=bytes(2000)), "much room before the pixels")
    refused("offset-beyond.bmp", bmp(40, 24, offset=0xFFFFFFFF), "pixels that begin 4 GB later")
    refused("rle-wide.bmp", bmp(40, 8, 1, pixels=bytes([200, 1, 0, 1])), "a run longer than the row")
    refused("rle-literal-wide.bmp", bmp(40, 8, 1, pixels=bytes([0, 200]) + bytes(200) + bytes([0, 1])), "a literal longer than the row")
    refused("rle-high.bmp", bmp(40, 8, 1, pixels=bytes([0, 0] * 6 + [0, 1])), "more rows than there are")
    refused("rle-above.bmp", bmp(40, 8, 1, pixels=bytes([0, 0] * 5 + [1, 1, 0, 1])), "a pixel above the last row")
    refused("rle-move.bmp", bmp(40, 8, 1, pixels=bytes([0, 2, 0, 200, 0, 1])), "a move out of the picture")
    refused("rle-bomb.bmp", bmp(40, 8, 1, width=16000, height=16000, pixels=bytes([255, 1] * 60 + [0, 1])), "a few runs for 256 million pixels", "too_many_pixels")
    room = 9 * 5 * 4
    refused("profile-linked.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room, 20, b"KNIL"), after=b"\\\\host\\share\\evil.icc"[:20]), "a colour profile in another file", "not_allowed")
    refused("profile-overlaps.bmp", bmp(124, 32, 3, v5=bitmaps.v5(150, 20, b"DEBM")), "a profile inside the pixels")
    refused("profile-empty.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room, 0, b"DEBM")), "an embedded profile of no bytes")
    refused("profile-header.bmp", bmp(124, 32, 3, v5=bitmaps.v5(20, 20, b"DEBM")), "a profile inside the header")
    refused("profile-header-gap.bmp", bmp(124, 32, 3, gap=bytes(20), v5=bitmaps.v5(20, 20, b"DEBM")), "a profile inside the header, and as much room as it takes")
    refused("profile-missing.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room, 900, b"DEBM"), after=bytes(20)), "a profile that is cut", "truncated")
    refused("profile-gap-cut.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room + 20, 5, b"DEBM"), after=bytes(19)), "cut in the zeros before a profile", "truncated")
    refused("profile-gap-zeros.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room + 8, 20, b"DEBM"), after=b"<script>" + bytes(20)), "a script between pixels and a profile of zeros", "trailing_data")
    refused("profile-gap.bmp", bmp(124, 32, 3, v5=bitmaps.v5(124 + room + 10, 5, b"DEBM"), after=b"<script>1;profi"), "a script between pixels and profile", "trailing_data")
