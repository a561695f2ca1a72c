"""The genuine pictures: one small picture, written by many encoders in many of their ways."""
import io
import pathlib
import struct
import subprocess

import apng
import cv2
import imagecodecs
import mozjpeg_lossless_optimization
import numpy
import png
import pygame
from PIL import Image, ImageCms, PngImagePlugin

import bitmaps
import isobmff
import webp

W, H = 31, 23
SIZE = f"{W}x{H}"


def picture(width=W, height=H):
    """Computes the picture: smooth enough to stay small, busy enough for every coder to have work."""
    y, x = numpy.mgrid[0:height, 0:width]
    return numpy.stack([x * 8 % 256, y * 11 % 256, (x * y // 3) % 256], axis=2).astype(numpy.uint8)


def run(*command, stdin=None, cwd=None):
    """Runs an encoder and returns what it wrote to its standard output. If it fails, its last lines of errors are shown."""
    done = subprocess.run(command, input=stdin, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        errors = done.stderr.decode(errors="replace").splitlines()[-9:]
        raise SystemExit("\n".join([f"exit code {done.returncode} of: {' '.join(command)}"] + errors))
    return done.stdout


def saved(image, form, **options):
    b = io.BytesIO()
    image.save(b, form, **options)
    return b.getvalue()


def with_segment(jpeg, marker, content, at=2):
    """Puts one segment behind the first bytes of a JPEG."""
    return jpeg[:at] + bytes([0xFF, marker]) + struct.pack(">H", 2 + len(content)) + content + jpeg[at:]


def make(add, work, here):
    rgb = Image.fromarray(picture())
    rgb.save(work / "s.png")
    rgb.save(work / "s.ppm")
    rgb.convert("L").save(work / "s.pgm")
    rgb.convert("1").save(work / "s.pbm")
    rgb.quantize(16).convert("RGB").save(work / "few.ppm")
    rgb.quantize(16).convert("RGB").save(work / "few.png")
    frames = [Image.fromarray(numpy.roll(picture(), n, axis=1)) for n in (0, 5, 9)]
    for n, frame in enumerate(frames):
        frame.save(work / f"f{n}.png")

    def tool(name, how, command, size=SIZE, out=None, verdict="ok"):
        """Adds what a command line writes to its output file, or to `out` of it."""
        target = work / (out or name)
        run("sh", "-c", command.replace("OUT", str(target)))
        add(name, target.read_bytes(), how, verdict, size if verdict == "ok" else "-")

    run("go", "run", str(here / "encode.go"), str(work))
    for file in sorted(work.glob("go*")):
        add(file.name, file.read_bytes(), "Go's own encoder, encode.go", size=SIZE)
    png_files(add, tool, rgb, frames, work)
    jpeg_files(add, tool, rgb, work)
    gif_files(add, tool, rgb, frames, work)
    bmp_files(add, tool, rgb, work)
    webp.genuine(add, tool, saved, rgb, frames)
    isobmff.genuine(add, tool, run, rgb, frames, samsung)


def png_files(add, tool, rgb, frames, work):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "hello", zip=False)
    text.add_itxt("Title", "grüße", "de", "Titel", zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    add("pillow-text.png", saved(rgb, "PNG", pnginfo=text, exif=exif, dpi=(72, 72)), "Pillow, tEXt iTXt eXIf pHYs", size=SIZE)
    add("pillow-palette.png", saved(rgb.quantize(17), "PNG", transparency=3), "Pillow, palette and tRNS", size=SIZE)
    add("pillow-bits.png", saved(rgb.convert("1"), "PNG"), "Pillow, one bit", size=SIZE)
    add("pillow-la.png", saved(rgb.convert("LA"), "PNG"), "Pillow, grey and alpha", size=SIZE)
    add("pillow-apng.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50), "Pillow, APNG", size=SIZE)
    add("pillow-apng-default.png", saved(rgb.convert("RGB"), "PNG", save_all=True, append_images=frames, default_image=True),
        "Pillow, APNG whose still picture is no frame", size=SIZE)
    plain = (work / "s.png").read_bytes()
    idat = plain.index(b"IDAT") - 4
    tool("im-16bit.png", "ImageMagick, 16 bits, RGBA", "convert s.png -alpha on -depth 16 -resize 9x7! png64:OUT", size="9x7")
    tool("im-interlace.png", "ImageMagick, interlaced, tIME and date texts", "convert s.png -interlace PNG OUT")
    tool("gm.png", "GraphicsMagick", "gm convert s.png OUT")
    tool("vips.png", "libvips, interlaced", "vips pngsave s.png OUT --interlace")
    tool("vips-palette.png", "libvips, palette", "vips pngsave s.png OUT --palette")
    tool("gd.png", "gd (PHP)", """php -r '$i=imagecreatefrompng("s.png"); imagepng($i,"OUT");'""")
    tool("gd-palette.png", "gd (PHP), palette", """php -r '$i=imagecreatefrompng("s.png"); imagetruecolortopalette($i,false,9); imageinterlace($i,true); imagepng($i,"OUT");'""")
    tool("ffmpeg.png", "FFmpeg", "ffmpeg -y -i s.png OUT")
    tool("ffmpeg-apng.png", "FFmpeg, APNG", "ffmpeg -y -i f%d.png -f apng -plays 0 OUT")
    tool("ffmpeg-apng-pipe.png", "FFmpeg, APNG into a pipe: acTL says 4,294,967,295 frames", "ffmpeg -y -i f%d.png -f apng pipe:1 | cat > OUT")
    tool("netpbm-interlace.png", "netpbm pnmtopng -interlace", "pnmtopng -interlace s.ppm > OUT")
    tool("netpbm-palette.png", "netpbm pnmtopng, palette, background, gamma", "pnmtopng -background=black -gamma 0.45 few.ppm > OUT")
    tool("netpbm-bits.png", "netpbm pnmtopng, one bit", "pnmtopng s.pbm > OUT")
    tool("pngcrush.png", "pngcrush", "pngcrush s.png OUT")
    tool("optipng.png", "OptiPNG -i1", "optipng -i1 -out OUT s.png")
    tool("zopfli.png", "zopflipng", "zopflipng s.png OUT")
    tool("pngquant.png", "pngquant", "pngquant 8 s.png -o OUT")
    tool("apngasm.png", "apngasm", "apngasm OUT f0.png f1.png f2.png")
    tool("exiftool.png", "ExifTool, XMP and EXIF", "cp s.png OUT; exiftool -overwrite_original -Artist=me -XMP:Title=hi OUT")
    add("pypng.png", pypng(rgb), "pypng, one row an IDAT", size=SIZE)
    add("opencv.png", cv2.imencode(".png", picture())[1].tobytes(), "OpenCV", size=SIZE)
    add("spng.png", imagecodecs.spng_encode(picture()), "libspng (imagecodecs)", size=SIZE)
    add("imagecodecs-apng.png", imagecodecs.apng_encode(numpy.stack([picture(), 255 - picture()])), "libpng-apng (imagecodecs)", size=SIZE)
    together = apng.APNG.from_files([str(work / "f0.png"), str(work / "f1.png")], delay=9)
    add("apng-module.png", together.to_bytes(), "PyPI's apng", size=SIZE)
    pygame.image.save(pygame.image.load(str(work / "s.png")), str(work / "sdl.png"))
    add("sdl.png", (work / "sdl.png").read_bytes(), "SDL_image (pygame)", size=SIZE)
    private = bitmaps.chunk(b"iDOT", bytes(28)) + bitmaps.chunk(b"vpAg", bytes(9)) + bitmaps.chunk(b"npTc", bytes(12))
    add("private-chunks.png", plain[:idat] + private + plain[idat:], "Pillow, with private chunks as Apple, Android and ImageMagick name theirs", size=SIZE)
    add("apng-empty-data.png", bitmaps.apng_empty_data(), "written by hand: an fdAT without data beside one with it", size="3x2")


def pypng(rgb):
    b = io.BytesIO()
    png.Writer(W, H, greyscale=False, chunk_limit=60).write(b, picture().reshape(H, -1))
    return b.getvalue()


def jpeg_files(add, tool, rgb, work):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    plain = saved(rgb, "JPEG", quality=80)
    (work / "s.jpg").write_bytes(plain)
    add("pillow-exif.jpg", saved(rgb, "JPEG", exif=exif, comment=b"hello"), "Pillow, EXIF and a comment", size=SIZE)
    add("pillow-progressive.jpg", saved(rgb, "JPEG", progressive=True), "Pillow, progressive", size=SIZE)
    add("pillow-cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG"), "Pillow, CMYK", size=SIZE)
    add("pillow-restart.jpg", saved(rgb, "JPEG", restart_marker_blocks=1), "Pillow, restart markers", size=SIZE)
    for name, flags in {
        "": "", "-progressive": "-progressive", "-arithmetic": "-arithmetic", "-arithmetic-progressive": "-arithmetic -progressive",
        "-restart": "-restart 1", "-progressive-restart": "-progressive -restart 1B", "-gray": "-grayscale", "-rgb": "-rgb",
        "-422": "-sample 2x1 -optimize",
    }.items():
        tool(f"cjpeg{name}.jpg", f"libjpeg-turbo cjpeg {flags}".strip(), f"cjpeg {flags} s.ppm > OUT")
    tool("jpegtran.jpg", "libjpeg-turbo jpegtran -transpose", "jpegtran -transpose -copy all s.jpg > OUT", size=f"{H}x{W}")
    tool("cjpeg-grey-arithmetic.jpg", "libjpeg-turbo cjpeg -progressive -arithmetic, one grey: scans nearly or quite without bytes",
         "pgmmake 0.5 31 23 | cjpeg -grayscale -progressive -arithmetic > OUT")
    empty = pathlib.Path("cjpeg-grey-arithmetic.jpg").read_bytes()
    last = empty.rindex(b"\xff\xda")
    empty = empty[: last + 2 + struct.unpack(">H", empty[last + 2 : last + 4])[0]] + b"\xff\xd9"
    run("djpeg", stdin=empty)
    add("arithmetic-empty-scan.jpg", empty, "the same, its last scan's bytes taken out as zeros may be; djpeg shows it", size=SIZE)
    for name, flags in {
        "baseline": "-bl", "extended": "", "progressive": "-v", "lossless": "-p -c", "arithmetic": "-a", "lossless-arithmetic": "-p -c -a",
        "progressive-arithmetic": "-v -a", "dnl": "-bl -n", "restart-dnl": "-z 2 -n", "hierarchical": "-y 1 -h", "hierarchical-lossless": "-y 0 -c -h",
        "residual": "-r -Q 90",
    }.items():
        shown = not any(word in name for word in ("lossless", "dnl", "hierarchical"))
        tool(f"t81-{name}.jpg", f"libjpeg by T. Richter, jpeg -q 75 {flags}".strip(), f"jpeg -q 75 {flags} s.ppm OUT",
             verdict="ok" if shown else "corrupt")
    tool("im.jpg", "ImageMagick, plane interlace", "convert s.png -interlace Plane OUT")
    tool("gm.jpg", "GraphicsMagick", "gm convert s.png OUT")
    tool("vips.jpeg", "libvips", "vips jpegsave s.png OUT --optimize-coding", out="v.jpg")
    tool("gd.jpg", "gd (PHP)", """php -r '$i=imagecreatefrompng("s.png"); imageinterlace($i,true); imagejpeg($i,"OUT");'""")
    tool("ffmpeg.jpg", "FFmpeg", "ffmpeg -y -i s.png OUT")
    tool("guetzli.jpg", "guetzli", "guetzli --quality 84 s.png OUT")
    tool("jpegoptim.jpg", "jpegoptim", "cp s.jpg OUT; jpegoptim --all-progressive OUT")
    tool("jhead.jpg", "jhead, an EXIF header with nothing in it", "cp s.jpg OUT; jhead -mkexif OUT")
    tool("exiftool.jpg", "ExifTool: EXIF, IPTC, XMP, a thumbnail",
         "cp s.jpg OUT; convert s.jpg -resize 8x6! t.jpg; exiftool -overwrite_original -Model=phone -IPTC:City=Bonn -XMP:Title=hi '-ThumbnailImage<=t.jpg' OUT")
    add("opencv.jpg", cv2.imencode(".jpg", picture())[1].tobytes(), "OpenCV", size=SIZE)
    add("mozjpeg.jpg", mozjpeg_lossless_optimization.optimize(plain), "MozJPEG", size=SIZE)
    add("jpeg8-12bit.jpg", imagecodecs.jpeg8_encode(picture().astype(numpy.uint16) * 16, bitspersample=12), "libjpeg-turbo 3, 12 bits (imagecodecs)", "corrupt")
    add("jpeg8-lossless.jpg", imagecodecs.jpeg8_encode(picture(), lossless=True, predictor=1), "libjpeg-turbo 3, lossless (imagecodecs)", "corrupt")
    add("ljpeg.jpg", imagecodecs.ljpeg_encode(picture()[:, :, 0].astype(numpy.uint16), bitspersample=12), "liblj92, lossless as in raw pictures (imagecodecs)", "corrupt")
    add("fill-bytes.jpg", plain[:2] + b"\xff\xff\xff" + plain[2:-2] + b"\xff" + plain[-2:], "Pillow, fill bytes put before markers", size=SIZE)

    second = saved(rgb.resize((16, 12)), "JPEG")
    third = saved(rgb.resize((8, 6)), "JPEG", progressive=True)
    multi = saved(rgb, "MPO", save_all=True, append_images=[rgb.resize((16, 12)), rgb.resize((8, 6))])
    add("mpf-pillow.jpg", multi, "Pillow's MPO writer: three pictures", size=SIZE)
    add("mpf-script.jpg", mpf(plain, [second, third], order=">"), "assembled by CIPA DC-007 from Pillow's pictures, big endian", size=SIZE)
    add("mpf-padded.jpg", mpf(plain, [second, third], pads=[13, 64]) + bytes(16), "assembled by CIPA DC-007, zeros between and after the pictures", size=SIZE)
    add("mpf-gap.jpg", mpf(plain, [second], pads=[13]), "assembled by CIPA DC-007, zeros between the pictures", size=SIZE)
    add("mpf-swapped.jpg", mpf(plain, [second, third], reverse=True), "assembled by CIPA DC-007, the index not in the order of the file", size=SIZE)
    hdr = numpy.ones((H + 1, W + 1, 4), numpy.float16)
    hdr[:H, :W, :3] = picture() / 64
    add("ultrahdr.jpg", imagecodecs.ultrahdr_encode(hdr), "libultrahdr (imagecodecs): gain map behind an MPF index", size=f"{W + 1}x{H + 1}")
    add("zeros.jpg", plain + bytes(512), "Pillow, padded with zeros", size=SIZE)
    run("ffmpeg", "-y", "-i", "f%d.png", "-vf", "scale=32:24", "-c:v", "mpeg4", "-movflags", "+faststart", "v.mp4")
    film = pathlib.Path("v.mp4").read_bytes()
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    add("motion.jpg", with_segment(plain, 0xE1, xmp) + film, "Pillow's JPEG and FFmpeg's MP4, as in a motion photo", size=SIZE)
    trailer = samsung([(0x0A01, b"Image_UTC_Data", b"1700000000000"), (0x0AA1, b"MCC_Data", b"262"), (0x0A30, b"MotionPhoto_Data", film)])
    pathlib.Path("motion.jpg").write_bytes(plain + trailer)
    if run("exiftool", "-b", "-EmbeddedVideoFile", "motion.jpg") != film:
        raise SystemExit("ExifTool does not find the video in the trailer")
    add("motion-samsung.jpg", plain + trailer, "Pillow's JPEG and FFmpeg's MP4 in a trailer as Samsung's; ExifTool finds the video", size=SIZE)
    trailer = samsung([(0x0A01, b"Image_UTC_Data", b"1700000000000"), (0x0AA1, b"MCC_Data", b"262")])
    add("samsung.jpg", plain + trailer, "Pillow's JPEG and a trailer as Samsung's, without a video", size=SIZE)
    add("motion-mpf.jpg", mpf(plain, [second]) + bytes(7) + film, "assembled by CIPA DC-007, zeros, then FFmpeg's MP4", size=SIZE)


def samsung(blocks):
    """Assembles a trailer as Samsung's phones write it (ExifTool, Samsung.pm)."""
    body, starts = b"", []
    for kind, name, data in blocks:
        starts.append((kind, len(body)))
        body += struct.pack("<HHI", 0, kind, len(name)) + name + data
    ends = [start for _, start in starts[1:]] + [len(body)]
    directory = b"SEFH" + struct.pack("<II", 107, len(blocks))
    for (kind, start), end in zip(starts, ends):
        directory += struct.pack("<HHII", 0, kind, len(body) - start, end - start)
    return body + directory + struct.pack("<I", len(directory)) + b"SEFT"


def mpf(first, further, order="<", pads=(), reverse=False):
    """Assembles a file of several pictures with an MPF index (CIPA DC-007) in the first one's APP2."""
    pads = list(pads) + [0] * (len(further) - len(pads))
    count = len(further) + 1
    header = 8 + 2 + 3 * 12 + 4
    size = 2 + 2 + 4 + header + 16 * count
    position = len(first) + size
    entries = [(0x20030000, position, 0)]
    body = b""
    for data, pad in zip(further, pads):
        at = position + len(body) + pad
        body += bytes(pad) + data
        entries.append((0x00020002, len(data), at - (2 + 4 + 4)))  # from the TIFF header: SOI, marker and length, "MPF\0"
    if reverse:
        entries[1:] = entries[:0:-1]
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 3)
    tiff += struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100")
    tiff += struct.pack(order + "HHII", 0xB001, 4, 1, count)
    tiff += struct.pack(order + "HHIII", 0xB002, 7, 16 * count, header, 0)
    tiff += b"".join(struct.pack(order + "IIIHH", a, n, o, 0, 0) for a, n, o in entries)
    return with_segment(first, 0xE2, b"MPF\0" + tiff) + body


def gif_files(add, tool, rgb, frames, work):
    few = rgb.quantize(16)
    few.save(work / "s.gif")
    add("pillow.gif", saved(few, "GIF", comment=b"hello"), "Pillow, comment", size=SIZE)
    add("pillow-frames.gif", saved(frames[0].quantize(8), "GIF", save_all=True, append_images=[f.quantize(8) for f in frames[1:]], loop=0, transparency=2),
        "Pillow, three frames", size=SIZE)
    add("pillow-bits.gif", saved(rgb.convert("1"), "GIF"), "Pillow, two colours", size=SIZE)
    tool("im.gif", "ImageMagick", "convert s.png -colors 20 OUT")
    tool("im-frames.gif", "ImageMagick, frames, comment", "convert -delay 9 f0.png f1.png f2.png -colors 12 -layers optimize -set comment hi OUT")
    tool("gm.gif", "GraphicsMagick, interlaced", "gm convert s.png -colors 20 -interlace Line OUT")
    tool("gd.gif", "gd (PHP), GIF87a", """php -r '$i=imagecreatefrompng("s.png"); imagetruecolortopalette($i,false,9); imagegif($i,"OUT");'""")
    tool("ffmpeg.gif", "FFmpeg, three frames", "ffmpeg -y -i f%d.png -vf palettegen=max_colors=16 p.png; ffmpeg -y -i f%d.png -i p.png -lavfi paletteuse OUT")
    tool("gifsicle.gif", "gifsicle -O3, three frames", "gifsicle -O3 im-frames.gif --loop -o OUT")
    tool("gifsicle-interlace.gif", "gifsicle --interlace", "gifsicle --interlace s.gif -o OUT")
    tool("gifsicle-lzw.gif", "gifsicle without compression", "gifsicle --no-warnings -O0 --conserve-memory s.gif -o OUT")
    tool("netpbm.gif", "netpbm ppmtogif", "ppmtogif few.ppm > OUT")
    tool("netpbm-bits.gif", "netpbm ppmtogif, two colours, without LZW", "ppmtogif -nolzw -comment hi s.pbm > OUT")
    tool("vips.gif", "libvips", "vips gifsave s.png OUT --dither 0 --bitdepth 4")
    tool("exiftool.gif", "ExifTool: XMP in an application block, comment", "cp s.gif OUT; exiftool -overwrite_original -XMP:Title=hi -Comment=hello OUT")
    add("giflib.gif", imagecodecs.gif_encode(picture()[:, :, 0]), "giflib (imagecodecs)", size=SIZE)
    whole = (work / "s.gif").read_bytes()
    text = b"\x21\x01\x0c" + struct.pack("<HHHHBBBB", 0, 0, 16, 8, 8, 8, 1, 0) + b"\x02hi\x00"
    add("plain-text.gif", b"GIF89a" + whole[6:-1] + text + b";", "Pillow, a plain text extension put before the end", size=SIZE)
    add("no-tables.gif", b"GIF89a\x02\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00;", "written by hand: no colour table at all", size="2x1")
    for name, blocks, how in bitmaps.gif_blocks():
        add(name, bitmaps.gif(*blocks), f"written by hand: {how}", size="4x3")


def bmp_files(add, tool, rgb, work):
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        add(f"pillow-{mode.lower()}.bmp", saved(rgb.convert(mode), "BMP"), f"Pillow, {mode}", size=SIZE)
    tool("im-v2.bmp", "ImageMagick BMP2 (OS/2 1.x header)", "convert s.png bmp2:OUT")
    tool("im-v3.bmp", "ImageMagick BMP3", "convert s.png bmp3:OUT")
    tool("im-v4.bmp", "ImageMagick, V5 header, alpha", "convert s.png -alpha set -channel A -evaluate set 50% OUT")
    tool("im-rle8.bmp", "ImageMagick, RLE8", "convert few.png -type palette -compress RLE OUT")
    tool("im-bits.bmp", "ImageMagick, one bit", "convert s.png -monochrome OUT")
    tool("im-565.bmp", "ImageMagick, 16 bits a pixel", "convert s.png -define bmp:subtype=RGB565 OUT")
    profile = pathlib.Path("p.icc")
    profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tool("im-profile.bmp", "ImageMagick, V5 with an embedded profile", "convert s.png -profile p.icc OUT")
    tool("gm.bmp", "GraphicsMagick", "gm convert s.png OUT")
    tool("gm-rle8.bmp", "GraphicsMagick, RLE8", "gm convert few.png -type palette -compress RLE OUT")
    tool("gd.bmp", "gd (PHP)", """php -r '$i=imagecreatefrompng("s.png"); imagebmp($i,"OUT",false);'""")
    tool("gd-rle8.bmp", "gd (PHP), palette, RLE8", """php -r '$i=imagecreatefrompng("s.png"); imagetruecolortopalette($i,false,9); imagebmp($i,"OUT",true);'""")
    for form in ("bgra", "bgr24", "rgb565le", "rgb555le", "rgb444le", "pal8", "gray", "monob"):
        tool(f"ffmpeg-{form}.bmp", f"FFmpeg, {form}", f"ffmpeg -y -i s.png -pix_fmt {form} OUT")
    for name, source in {"24": "s.ppm", "8": "few.ppm", "1": "s.pbm"}.items():
        for system in ("windows", "os2"):
            tool(f"netpbm-{system}-{name}.bmp", f"netpbm ppmtobmp -{system}", f"ppmtobmp -{system} {source} > OUT")
    add("opencv.bmp", cv2.imencode(".bmp", picture())[1].tobytes(), "OpenCV", size=SIZE)
    add("imagecodecs.bmp", imagecodecs.bmp_encode(picture()), "imagecodecs", size=SIZE)
    pygame.image.save(pygame.image.load(str(work / "s.png")), str(work / "sdl.bmp"))
    add("sdl.bmp", (work / "sdl.bmp").read_bytes(), "SDL (pygame)", size=SIZE)
    for name, data, how in bitmaps.generations():
        add(name, data, how, size="9x5")
