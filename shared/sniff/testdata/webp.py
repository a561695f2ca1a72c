"""WebP pictures: of many encoders, edited as other tools leave them, and spoiled."""
import io
import pathlib
import struct

import cv2
import imagecodecs
import numpy
from PIL import Image, ImageCms

SIZE = "31x23"


def chunk(name, content, size=None):
    """Makes a chunk; size is what it claims."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)


def riff(*chunks, size=None, form=b"WEBP"):
    """Makes a file of chunks; size is what it claims."""
    body = form + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def split(data):
    """Gives the chunks of a file, each with its head and padding."""
    chunks, at = [], 12
    while at < len(data):
        end = at + 8 + sum(divmod(struct.unpack_from("<I", data, at + 4)[0], 2)) * 2
        chunks.append(data[at:end])
        at = end
    return chunks


def u24(n):
    return struct.pack("<I", n)[:3]


def header(flags=0, width=31, height=23):
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + u24(width - 1) + u24(height - 1))


def lossless(width=31, height=23, signature=0x2F, version=0):
    """Makes the head of a VP8L stream; nothing of the rest is decoded."""
    return chunk(b"VP8L", bytes([signature]) + struct.pack("<I", width - 1 | height - 1 << 14 | version << 29) + bytes(5))


def frame(*chunks, x=0, y=0, width=31, height=23, size=None):
    head = u24(x // 2) + u24(y // 2) + u24(width - 1) + u24(height - 1) + u24(50) + b"\0"
    return chunk(b"ANMF", head + b"".join(chunks), size)


CONTROL = chunk(b"ANIM", bytes(6))


def shown(data):
    """Holds a file that was edited here against a decoder."""
    image = Image.open(io.BytesIO(data))
    for n in range(image.n_frames):
        image.seek(n)
        image.load()
    return data


def genuine(add, tool, saved, rgb, frames):
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray((numpy.mgrid[0:23, 0:31][1] * 8).astype(numpy.uint8)))
    alpha.save("alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tool("cwebp.webp", "libwebp cwebp", "cwebp -q 60 s.png -o OUT")
    tool("cwebp-lossless.webp", "libwebp cwebp -lossless", "cwebp -lossless s.png -o OUT")
    tool("cwebp-near.webp", "libwebp cwebp -near_lossless", "cwebp -near_lossless 40 alpha.png -o OUT")
    tool("cwebp-alpha.webp", "libwebp cwebp, compressed transparency", "cwebp alpha.png -o OUT")
    tool("cwebp-alpha-plain.webp", "libwebp cwebp -alpha_method 0: transparency without compression", "cwebp -alpha_method 0 alpha.png -o OUT")
    tool("cwebp-partitions.webp", "libwebp cwebp -partition_limit 100 -segments 4 -strong", "cwebp -partition_limit 100 -segments 4 -strong s.png -o OUT")
    tool("cwebp-metadata.webp", "libwebp cwebp -metadata all, from a JPEG of ExifTool",
         "convert s.png e.jpg; exiftool -overwrite_original -Model=phone -XMP:Title=hi e.jpg; cwebp -metadata all e.jpg -o OUT")
    tool("img2webp.webp", "libwebp img2webp -mixed: three frames", "img2webp -loop 0 -mixed f0.png f1.png f2.png -o OUT")
    tool("gif2webp.webp", "libwebp gif2webp: three frames", "gif2webp im-frames.gif -o OUT")
    tool("webpmux.webp", "libwebp webpmux: frames at places of their own, one behind another's odd end",
         "cwebp -crop 2 2 9 7 s.png -o c.webp; cwebp -lossless s.png -o l.webp; webpmux -frame l.webp +50 -frame c.webp +50+4+6+1-b -o OUT")
    add("pillow.webp", saved(rgb, "WEBP", exif=exif, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", icc_profile=profile), "Pillow: ICCP, EXIF and XMP", size=SIZE)
    add("pillow-alpha.webp", saved(alpha, "WEBP", lossless=True), "Pillow, lossless, transparency", size=SIZE)
    add("pillow-frames.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=50), "Pillow, three frames", size=SIZE)
    tool("im.webp", "ImageMagick", "convert s.png OUT")
    tool("im-alpha.webp", "ImageMagick, transparency, comment", "convert alpha.png -set comment hi OUT")
    tool("gm.webp", "GraphicsMagick", "gm convert s.png OUT")
    tool("vips.webp", "libvips, transparency, EXIF", "vips webpsave alpha.png OUT")
    tool("gd.webp", "gd (PHP)", """php -r '$i=imagecreatefrompng("s.png"); imagewebp($i,"OUT",70);'""")
    tool("gd-lossless.webp", "gd (PHP), lossless", """php -r '$i=imagecreatefrompng("alpha.png"); imagesavealpha($i,true); imagewebp($i,"OUT",IMG_WEBP_LOSSLESS);'""")
    tool("ffmpeg.webp", "FFmpeg", "ffmpeg -y -i s.png -c:v libwebp OUT")
    tool("ffmpeg-frames.webp", "FFmpeg, three frames", "ffmpeg -y -i f%d.png -c:v libwebp_anim -loop 0 OUT")
    tool("exiftool.webp", "ExifTool: EXIF and XMP", "cp cwebp.webp OUT; exiftool -overwrite_original -Model=phone -XMP:Title=hi OUT")
    tool("exiv2.webp", "Exiv2: EXIF and XMP", "cp cwebp-lossless.webp OUT; exiv2 -M'set Exif.Image.Model phone' -M'set Xmp.dc.title hi' OUT")
    add("opencv.webp", cv2.imencode(".webp", numpy.asarray(rgb))[1].tobytes(), "OpenCV", size=SIZE)
    add("imagecodecs.webp", imagecodecs.webp_encode(numpy.asarray(alpha), lossless=True), "imagecodecs, lossless", size=SIZE)
    tool("nativewebp.webp", "nativewebp, an encoder in Go", native())
    plain = split(pathlib.Path("cwebp.webp").read_bytes())
    moving = split(pathlib.Path("img2webp.webp").read_bytes())
    texts = split(pathlib.Path("cwebp-metadata.webp").read_bytes())
    add("notes.webp", shown(riff(*plain, chunk(b"ICMT", b"hello"), chunk(b"IART", b"me"))), "a simple picture with RIFF's notes behind it, as in libwebp's test vectors", size=SIZE)
    add("xmp-zero.webp", shown(riff(*[c.replace(b"XMP ", b"XMP\0") for c in texts])), "a text named with a zero, as Exiv2 0.27 wrote it", size=SIZE)
    add("texts-first.webp", shown(riff(texts[0], *texts[2:], texts[1])), "EXIF and XMP before the pixels", size=SIZE)
    add("unflagged.webp", shown(riff(header(), *texts[1:])), "EXIF and XMP that the header's flags do not announce", size=SIZE)
    add("flagged.webp", shown(riff(header(0x3C), *plain)), "flags for transparency, EXIF, XMP and a profile that are not there", size=SIZE)
    inner = moving[2] + chunk(b"note", b"abc")
    inner = inner[:4] + struct.pack("<I", len(inner) - 8) + inner[8:]
    add("note-in-frame.webp", shown(riff(*moving[:2], inner, *moving[3:])), "an unknown chunk behind the pixels of a frame, as the specification allows", size=SIZE)
    short = chunk(b"ANMF", moving[2][8:8 + 16] + chunk(b"VP8L", split(pathlib.Path("nativewebp.webp").read_bytes())[0][8:] + b"\0")[:-1])
    assert short[4] % 2 == 1
    add("odd-frame.webp", shown(riff(*moving[:2], short)), "a frame of an odd size, whose pixels lack the byte behind an odd chunk", size=SIZE)
    add("zeros.webp", riff(*plain) + bytes(64), "zeros behind the picture", size=SIZE)


def native():
    """Gives the command that makes a picture with nativewebp."""
    program = """package main
import ("image/png"; "os"; "github.com/HugoSmits86/nativewebp")
func main() {
	m, err := png.Decode(os.Stdin)
	if err == nil { err = nativewebp.Encode(os.Stdout, m, nil) }
	if err != nil { panic(err) }
}"""
    pathlib.Path("native").mkdir()
    pathlib.Path("native/main.go").write_text(program)
    return "cd native && go mod init native && go get github.com/HugoSmits86/nativewebp@v1.2.1 && go run . < ../s.png > OUT"


def refused(add, read, php, archive):
    def bad(name, data, how, verdict="corrupt"):
        add(name + ".webp", data, how, verdict)

    whole, pair = read("cwebp.webp"), read("cwebp-alpha-plain.webp")
    pixels, (top, alpha, covered) = split(whole)[0], split(pair)
    still, picture = riff(pixels), lossless()
    moving = riff(header(2), CONTROL, frame(picture), frame(pixels))
    for n in (0, 3, 11):
        bad(f"cut-{n}", whole[:n], f"the first {n} bytes", "truncated")
    bad("cut-pixels", whole[:-9], "cut in the pixels", "truncated")
    bad("cut-last", whole[:-1], "the last byte is missing", "truncated")
    bad("cut-header", pair[:25], "cut in the header", "truncated")
    bad("cut-alpha", pair[:60], "cut in the transparency", "truncated")
    bad("cut-frame", moving[:-30], "cut in the last frame", "truncated")
    bad("form", riff(pixels, form=b"WAVE"), "the name of another form", "type_mismatch")
    bad("matcher", b"<htmWEBP<script>alert(1)</script>", "the letters that the matcher looks at, then HTML", "type_mismatch")
    bad("matcher-8", b"<html>..WEBPVP8 <script>alert(1)</script>", "the letters that the matcher looks at, in HTML", "type_mismatch")
    bad("png-inside", read("go-nrgba.png"), "a PNG named webp", "type_mismatch")
    bad("size-less", riff(pixels, size=len(pixels)), "a file's size that cuts its last chunk")
    bad("size-more", riff(pixels, size=len(pixels) + 100), "a file's size beyond its end", "truncated")
    bad("size-most", riff(pixels, size=0xFFFFFFFE), "the largest even size there is", "truncated")
    bad("size-zero", riff(pixels, size=0), "a file's size of 0")
    bad("size-form", riff(pixels, size=4), "a file's size that ends before the first chunk")
    bad("size-head", riff(pixels, chunk(b"note", b"")[:5]), "half the head of a chunk at the end")
    bad("chunk-more", riff(chunk(b"note", b"abcd", size=500), pixels), "a first chunk that reaches beyond the end")
    bad("pixels-more", riff(pixels[:4] + struct.pack("<I", 99999) + pixels[8:]), "pixels that reach beyond the end")
    bad("pixels-most", riff(pixels[:4] + b"\xff" * 4 + pixels[8:]), "pixels of 4 GB")
    bad("size-odd", riff(pixels, chunk(b"note", b"abc")[:-1]), "an odd last chunk without the byte behind it")
    bad("none", riff(), "no chunks")
    bad("note-alone", riff(chunk(b"note", b"abcd")), "a note and no picture")
    bad("note-first", riff(chunk(b"EXIF", b"abcd"), pixels), "EXIF in the place of the header")
    bad("alpha-first", riff(alpha, covered), "transparency without a header")
    bad("script-in-name", riff(pixels, b"<\n\0\0\4\0\0\0abcd"), "a chunk whose name has a line end")
    bad("two-pictures", riff(pixels, pixels), "two pictures")
    bad("two-headers", riff(header(), header(), pixels), "two headers")
    bad("late-header", riff(pixels, header()), "a header behind the pixels")
    bad("header-short", riff(chunk(b"VP8X", bytes(9)), pixels), "a header of 9 bytes")
    bad("header-long", riff(chunk(b"VP8X", split(riff(header()))[0][8:] + bytes(2)), pixels), "a header of 12 bytes")
    bad("header-flags", riff(header(0x41), pixels), "flags that do not exist")
    bad("header-alone", riff(header()), "a header and no picture")
    bad("canvas", riff(header(0, 32, 23), pixels), "a canvas wider than the picture")
    bad("giant", riff(header(0, 1 << 24, 1 << 24), pixels), "the largest canvas there is", "too_many_pixels")
    bad("giant-lossless", riff(lossless(16384, 16384)), "the largest lossless picture there is", "too_many_pixels")
    bad("vp8-zero", riff(pixels[:14] + b"\0\0" + pixels[16:]), "width 0")
    bad("vp8-inter", riff(pixels[:8] + bytes([pixels[8] | 1]) + pixels[9:]), "pixels that build on another picture")
    bad("vp8-hidden", riff(pixels[:8] + bytes([pixels[8] & ~0x10]) + pixels[9:]), "pixels that are not to be shown")
    bad("vp8-version", riff(pixels[:8] + bytes([pixels[8] | 8]) + pixels[9:]), "a version of VP8 that does not exist")
    bad("vp8-start", riff(pixels[:11] + b"\0" + pixels[12:]), "VP8 without its start code")
    bad("vp8-partition", riff(pixels[:9] + b"\xff\xff" + pixels[11:]), "a first partition longer than its chunk")
    bad("vp8-end", riff(chunk(b"VP8 ", bytes([0x10 | 2 << 5 & 0xFF, 2 << 5 >> 8, 0]) + pixels[11:20])), "VP8 that ends behind its first partition")
    bad("vp8-short", riff(chunk(b"VP8 ", pixels[8:17])), "VP8 of 9 bytes")
    bad("vp8-script", riff(chunk(b"VP8 ", b"<script>alert(1)</script>")), "a script in the place of pixels")
    bad("vp8l-signature", riff(lossless(signature=0x2E)), "VP8L without its signature")
    bad("vp8l-version", riff(lossless(version=1)), "a version of VP8L that does not exist")
    bad("vp8l-short", riff(chunk(b"VP8L", lossless()[8:13])), "VP8L of 5 bytes")
    bad("alpha-lossless", riff(top, alpha, picture), "transparency before VP8L, which has its own")
    bad("alpha-alone", riff(top, alpha), "transparency without pixels")
    bad("alpha-twice", riff(top, alpha, alpha, covered), "transparency twice")
    bad("alpha-late", riff(top, covered, alpha), "transparency behind the pixels")
    bad("alpha-note", riff(top, alpha, chunk(b"note", b"abcd"), covered), "a note between transparency and pixels")
    bad("alpha-bits", riff(top, alpha[:8] + b"\xc0" + alpha[9:], covered), "transparency with bits that do not exist")
    bad("alpha-method", riff(top, alpha[:8] + b"\x02" + alpha[9:], covered), "transparency of a compression that does not exist")
    bad("alpha-preprocessing", riff(top, alpha[:8] + b"\x20" + alpha[9:], covered), "transparency prepared in a way that does not exist")
    bad("alpha-less", riff(top, chunk(b"ALPH", alpha[8:-20]), covered), "transparency with fewer bytes than pixels")
    bad("alpha-empty", riff(top, chunk(b"ALPH", b"\1"), covered), "transparency of a byte")
    bad("frame-still", riff(header(), CONTROL, frame(picture)), "frames in a file that is no animation")
    bad("frame-and-still", riff(header(2), CONTROL, frame(picture), pixels), "a picture beside frames")
    bad("frame-first", riff(header(2), frame(picture), CONTROL), "a frame before the animation's header")
    bad("frame-none", riff(header(2), CONTROL), "an animation without frames")
    bad("frame-nothing", riff(header(2), CONTROL, frame()), "a frame without pixels")
    bad("frame-short", riff(header(2), CONTROL, chunk(b"ANMF", bytes(15))), "a frame of 15 bytes")
    bad("frame-right", riff(header(2), CONTROL, frame(picture, x=2)), "a frame that reaches outside the canvas")
    bad("frame-below", riff(header(2), CONTROL, frame(picture, y=2)), "a frame that reaches below the canvas")
    bad("frame-far", riff(header(2), CONTROL, frame(picture, x=0x1FFFFFE, y=0x1FFFFFE)), "a frame as far away as can be")
    bad("frame-other", riff(header(2), CONTROL, frame(lossless(9, 9))), "a frame whose pixels have another size")
    bad("frame-two", riff(header(2), CONTROL, frame(picture, picture)), "a frame of two pictures")
    bad("frame-note", riff(header(2), CONTROL, frame(chunk(b"note", b"abcd"), picture)), "a note before the pixels of a frame")
    bad("frame-nested", riff(header(2), CONTROL, frame(picture, frame(picture))), "a frame within a frame")
    bad("frame-header", riff(header(2), CONTROL, frame(picture, header())), "a header within a frame")
    bad("frame-more", riff(header(2), CONTROL, frame(picture, size=9999)), "a frame that reaches beyond the end")
    bad("frame-inner", riff(header(2), CONTROL, frame(chunk(b"VP8L", picture[8:], size=99)), chunk(b"note", bytes(99))), "pixels that reach out of their frame")
    bad("control-two", riff(header(2), CONTROL, CONTROL, frame(picture)), "two headers of an animation")
    bad("control-size", riff(header(2), chunk(b"ANIM", bytes(7)), frame(picture)), "an animation's header of 7 bytes")
    bad("control-still", riff(header(), pixels, CONTROL), "an animation's header in a file that is none")
    bad("bomb", riff(header(2, 7000, 7000), CONTROL, *[frame(lossless(1, 1), width=1, height=1)] * 40), "40 frames of one pixel on 49 million", "too_many_pixels")
    bad("script-behind", still + php, "a PHP script behind the picture", "trailing_data")
    bad("zip-behind", still + archive, "a ZIP archive behind the picture", "trailing_data")
    bad("pdf-behind", still + b"%PDF-1.7\n", "a PDF behind the picture", "trailing_data")
    bad("chunk-behind", still + chunk(b"note", b"abcd"), "a chunk behind the file's end", "trailing_data")
    bad("two", still + still, "two WebPs in a row", "trailing_data")
    bad("jpeg-behind", still + read("cjpeg-gray.jpg"), "a JPEG behind the picture", "trailing_data")
