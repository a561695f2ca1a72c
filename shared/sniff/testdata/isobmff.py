"""HEIC, AVIF, MP4, QuickTime and M4A: of many programs, edited as other tools and cameras leave them, and spoiled."""
import contextlib
import pathlib
import struct

import imagecodecs
import mutagen.mp4
import numpy
import pillow_heif
import qtfaststart.processor
from PIL import Image

SIZE = "31x23"
FILM = "32x24"
X265 = "-vf scale=32:24 -c:v libx265 -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=error:info=0"

COUNT = {b"meta": 4, b"dref": 8, b"stsd": 8}  # bytes before the boxes in a box: version, flags, and how many there are


def box(kind, *content, size=None, wide=False):
    """Makes a box; size is what it claims, wide says it in 64 bits."""
    body = b"".join(content)
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16 if size is None else size) + body
    return struct.pack(">I4s", len(body) + 8 if size is None else size, kind) + body


def full(kind, *content, version=0, flags=0):
    """Makes a box that has a version and flags."""
    return box(kind, bytes([version]) + flags.to_bytes(3, "big"), *content)


def u16(*n):
    return struct.pack(f">{len(n)}H", *n)


def u32(*n):
    return struct.pack(f">{len(n)}I", *n)


def parts(data, at=0, end=None):
    """Gives the boxes of a list: where each begins, how long its head is, where it ends, and its type."""
    found, end = [], len(data) if end is None else end
    while end - at >= 8:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or end - at
        found.append((at, head, at + size, kind))
        at += size
    return found


def place(data, path, at=0, end=None):
    """Gives where a box begins, how long its head is, and where it ends."""
    first, _, rest = path.partition("/")
    for begin, head, stop, kind in parts(data, at, end):
        if kind == first.encode("latin1"):
            inner = begin + head + COUNT.get(kind, 0)
            return place(data, rest, inner, stop) if rest else (begin, head, stop)
    raise KeyError(path)


def resized(data, path, delta):
    """Says another length in all boxes of a path but the last one."""
    names = path.split("/")
    for at in [place(data, "/".join(names[:n]))[0] for n in range(1, len(names))]:
        data = data[:at] + u32(struct.unpack_from(">I", data, at)[0] + delta) + data[at + 4:]
    return data


def changed(data, path, new):
    """Puts another box, or none, in the place of one."""
    at, _, end = place(data, path)
    data = resized(data, path, len(new) - (end - at))
    return data[:at] + new + data[end:]


def inside(data, path, more):
    """Puts bytes at the end of a box."""
    at, _, end = place(data, path)
    data = resized(data, path, len(more))
    return data[:at] + u32(end - at + len(more)) + data[at + 4:end] + more + data[end:]


def content(data, path):
    at, head, end = place(data, path)
    return data[at + head:end]


def patched(data, path, at, new):
    """Writes over bytes of a box's content."""
    begin, head, _ = place(data, path)
    begin += head + at
    return data[:begin] + new + data[begin + len(new):]


def moved(data, delta):
    """Adds to all places in stco, for a film whose media moved."""
    at = 0
    while (at := data.find(b"stco", at + 1)) >= 0:
        for n in range(struct.unpack_from(">I", data, at + 8)[0]):
            here = at + 12 + 4 * n
            data = data[:here] + u32(struct.unpack_from(">I", data, here)[0] + delta) + data[here + 4:]
    return data


def still(data, kind, *brands):
    """Puts a picture of one item together anew."""
    config, pixels = of_coded(data)
    return picture([(1, kind, 0, pixels)], [config, ispe()], {1: (0x81, 2)}, brands=brands)


def least(film):
    """Leaves the boxes of a film, its index first, that lead to its samples."""
    before = len(film)
    for path in ("moov/mvhd", "moov/udta", "moov/trak/tkhd", "moov/trak/edts", "moov/trak/mdia/mdhd", "moov/trak/mdia/minf/vmhd", "moov/trak/mdia/minf/smhd",
                 "moov/trak/mdia/minf/stbl/stss", "moov/trak/mdia/minf/stbl/sgpd", "moov/trak/mdia/minf/stbl/sbgp", "free"):
        with contextlib.suppress(KeyError):
            film = changed(film, path, b"")
    return moved(film, len(film) - before)


def small(read):
    """Gives for each type a file with few boxes."""
    film = least(read("ffmpeg-faststart.mp4"))
    return {"heic": still(read("heif-enc.heic"), b"hvc1", b"heic", b"mif1"), "avif": still(read("avifenc.avif"), b"av01", b"avif", b"mif1"), "mp4": film,
            "mov": changed(moved(film, -12), "ftyp", brand(b"qt  ", b"qt  ")), "m4a": least(read("ffmpeg-alac.m4a"))}


def brand(*brands):
    return box(b"ftyp", brands[0], u32(0), *brands[1:])


URL = box(b"dref", u32(0, 1), full(b"url ", flags=1))


def picture(items, properties, uses, primary=1, references=(), idat=b"", brands=(b"heic", b"mif1", b"heic"), ids=2, base=0,
            before=b"", behind=b"", data_first=False, versions=(0, 2, 1), handler=b"pict", more=b""):
    """Makes a HEIC or AVIF of items (number, type, method, data), their properties, and which item has which."""
    number = {2: u16, 4: u32}[ids]
    iinf = full(b"iinf", u16(len(items)), *[
        full(b"infe", u16(n) if versions[1] == 2 else u32(n), u16(0), kind, b"\0" + (b"text/xml\0" if kind == b"mime" else b""),
             version=versions[1]) for n, kind, _, _ in items])
    ipma = full(b"ipma", u32(len(uses)), *[number(n) + bytes([len(of)]) + bytes(of) for n, of in uses.items()], version=int(ids == 4))
    iref = full(b"iref", *[box(kind, number(n), u16(len(to)), *[number(i) for i in to]) for kind, n, to in references],
                version=int(ids == 4)) if references else b""

    def meta(start):
        places, at, inner = b"", start - base, 0
        for n, _, method, data in items:
            wide = number(n) if versions[2] == 2 else u16(n)
            places += wide + (u16(method) if versions[2] else b"") + u16(0) + u32(base if method == 0 else 0) + u16(1)
            places += u32(at if method == 0 else inner, len(data))
            at, inner = (at + len(data), inner) if method == 0 else (at, inner + len(data))
        iloc = full(b"iloc", b"\x44\x40", number(len(items)) if versions[2] == 2 else u16(len(items)), places, version=versions[2])
        return full(b"meta", full(b"hdlr", u32(0), handler, bytes(13)), box(b"dinf", URL), full(b"pitm", number(primary), version=int(ids == 4)),
                    iinf, iref, box(b"iprp", box(b"ipco", *properties), ipma), box(b"idat", idat) if idat else b"", iloc, more)

    start = brand(*brands) + before
    data = b"".join(d for _, _, method, d in items if method == 0)
    data = box(b"mdat", data) if data else b""
    if data_first:
        return start + data + meta(len(start) + 8) + behind
    return start + meta(len(start) + len(meta(base)) + 8) + data + behind


def ispe(width=31, height=23):
    return full(b"ispe", u32(width, height))


def declared(data):
    """Gives the size that a HEIC of libheif declares: old versions say what is shown, new ones what is coded and to be cropped (clap)."""
    return SIZE if ispe() in data else "64x64"


def of_coded(data):
    """Takes a HEIC or AVIF of one picture apart: the description of its coding, and its bytes."""
    at, head, end = place(data, "meta/iprp/ipco")
    config = next(data[a:e] for a, _, e, kind in parts(data, at + head, end) if kind in (b"hvcC", b"av1C"))
    return config, content(data, "mdat")


def phone(config, pixels, **other):
    """Makes a picture as an iPhone does: tiles, a grid in idat, a thumbnail, Exif, a depth map."""
    grid = b"\0\0\1\1" + u16(62, 46)
    items = [(n, b"hvc1", 0, pixels) for n in (1, 2, 3, 4)]
    items += [(5, b"grid", 1, grid), (6, b"hvc1", 0, pixels), (7, b"Exif", 0, b"\0\0\0\6Exif\0\0MM\0*" + bytes(12)), (8, b"hvc1", 0, pixels),
              (9, b"mime", 0, b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")]
    properties = [config, ispe(), ispe(62, 46), full(b"pixi", b"\3\x08\x08\x08"), box(b"irot", b"\3"), box(b"colr", b"prof", bytes(40)),
                  full(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0")]
    uses = {n: (0x81, 2, 6) for n in (1, 2, 3, 4)} | {5: (3, 4, 0x85), 6: (0x81, 2), 8: (0x81, 2, 0x87)}
    references = [(b"dimg", 5, (1, 2, 3, 4)), (b"thmb", 6, (5,)), (b"cdsc", 7, (5,)), (b"auxl", 8, (5,)), (b"cdsc", 9, (8,))]
    return picture(items, properties, uses, 5, references, grid, **other)


def genuine(add, tool, run, rgb, frames, samsung):
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray((numpy.mgrid[0:23, 0:31][1] * 8).astype(numpy.uint8)))
    alpha.save("alpha.png")
    rgb.resize((128, 64)).save("wide.png")
    pathlib.Path("chapters.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=50\ntitle=one\n")
    run("ffmpeg", "-y", "-i", "f%d.png", *X265.split(), "hevc.mp4")
    heic_genuine(add, tool, rgb, frames, samsung)
    avif_genuine(add, tool, rgb)
    mp4_genuine(add, tool)
    mov_genuine(add, tool)
    m4a_genuine(add, tool)


def heic_genuine(add, tool, rgb, frames, samsung):
    tool("heif-enc.heic", "libheif heif-enc", "heif-enc -q 40 s.png -o OUT", size=declared)
    tool("heif-enc-thumb.heic", "libheif heif-enc: thumbnail and transparency", "heif-enc -q 40 -t 16 alpha.png -o OUT", size=declared)
    tool("heif-enc-10.heif", "libheif heif-enc: 10 bits", "convert s.png -depth 16 png48:deep.png; heif-enc -q 40 -b 10 deep.png -o OUT", size=declared)
    tool("heif-enc-two.heic", "libheif heif-enc: two pictures", "heif-enc -q 40 f0.png f1.png -o OUT", size=declared)
    tool("vips.heic", "libvips", "vips heifsave s.png OUT --Q 40", size=declared)
    tool("exiftool.heic", "ExifTool: Exif and XMP, the media moved", "cp heif-enc.heic OUT; exiftool -overwrite_original -Model=phone -XMP:Title=hi OUT", size=declared)
    pillow_heif.from_pillow(rgb).save("pillow.heic", quality=40, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    add("pillow.heic", pathlib.Path("pillow.heic").read_bytes(), "pillow-heif, Exif; coded larger than it is shown", size=declared)
    several = pillow_heif.from_pillow(frames[0])
    several.add_from_pillow(frames[1])
    several.save("burst.heic", quality=40, primary_index=1)
    add("pillow-burst.heic", pathlib.Path("burst.heic").read_bytes(), "pillow-heif: the second picture is the one to be shown", size=declared)
    whole = pathlib.Path("heif-enc.heic").read_bytes()
    config, pixels = of_coded(whole)
    tiles = "tiles, a grid, a thumbnail, Exif, a depth map"
    add("phone.heic", phone(config, pixels), f"assembled as iPhones do: {tiles}", size="62x46")
    add("phone-heix.heic", phone(config, pixels, brands=(b"heix", b"mif1", b"MiHE", b"MiPr", b"miaf", b"heix", b"tmap")),
        f"assembled as iPhones and Canon cameras do, 10 bits: {tiles}", size="62x46")
    for name in ("heim", "heis", "hevc", "hevx", "hevm", "hevs"):
        add(f"brand-{name}.heic", whole.replace(b"ftypheic", b"ftyp" + name.encode()), f"the major brand {name}", size=declared)
    add("brand-mif1.heic", phone(config, pixels, brands=(b"mif1", b"mif1", b"heic")), f"the major brand mif1, as Samsung's phones have it: {tiles}", size="62x46")
    add("brand-msf1.heic", phone(config, pixels, brands=(b"msf1", b"mif1", b"msf1", b"hevc", b"heic")), "the major brand msf1", size="62x46")
    add("brand-mif2.heif", phone(config, pixels, brands=(b"mif2", b"mif2", b"mif1")), "a picture of no brand but those of all pictures, as in Nokia's conformance files", size="62x46")
    add("data-first.heic", phone(config, pixels, data_first=True), "the data before the list of what is in it", size="62x46")
    add("base.heic", phone(config, pixels, base=200), "places that count from a base, as Nokia's writer has them", size="62x46")
    add("ids.heic", phone(config, pixels, ids=4, versions=(1, 3, 2)), "numbers of items of 32 bits", size="62x46")
    film = pathlib.Path("v.mp4").read_bytes()
    add("motion.heic", phone(config, pixels, behind=box(b"mpvd", film)), "a motion photo as Samsung's and Google's phones write it: the video in a box", size="62x46")
    add("motion-wide.heic", phone(config, pixels, behind=box(b"mpvd", film, wide=True)), "a motion photo as Android's Media3 writes it: the box has a length of 64 bits", size="62x46")
    notes = samsung([(0x0A01, b"Image_UTC_Data", b"1700000000000"), (0x0AA1, b"MCC_Data", b"262")])
    add("samsung.heic", phone(config, pixels, behind=box(b"sefd", notes)), "Samsung's notes in a box", size="62x46")
    add("samsung-behind.heic", phone(config, pixels, behind=notes), "Samsung's notes behind the picture", size="62x46")
    add("samsung-motion.heic", phone(config, pixels, behind=box(b"mpvd", film) + box(b"sefd", notes)), "a video and Samsung's notes, each in a box", size="62x46")
    add("zeros.heic", whole + bytes(64), "zeros behind the picture", size=declared)
    add("free.heic", phone(config, pixels, before=box(b"free", bytes(16)), behind=box(b"uuid", bytes(24))), "free room before and a private box behind", size="62x46")
    to_end = whole[:place(whole, "mdat")[0]] + u32(0) + whole[place(whole, "mdat")[0] + 4:]
    add("to-end.heic", to_end, "data that goes on to the end of the file", size=declared)
    one = [(1, b"hvc1", 0, pixels)]
    tmap = one + [(2, b"hvc1", 0, pixels), (3, b"tmap", 1, bytes(62)), (4, b"iden", 1, b"")]
    add("gain-map.heic", picture(tmap, [config, ispe()], {1: (0x81, 2), 2: (0x81, 2), 3: (2,), 4: (2,)}, 1, [(b"dimg", 3, (1, 2)), (b"dimg", 4, (1,))],
                                 bytes(62)), "a gain map as iPhones and Android's Ultra HDR have it, and a derived item without data", size=SIZE)
    run = pathlib.Path("hevc.mp4").read_bytes()
    index = content(run, "moov").replace(b"vide", b"pict")
    data = content(run, "mdat")
    head = brand(b"msf1", b"msf1", b"hevc", b"heic")
    at, _, _ = place(run, "mdat")
    moving = head + box(b"moov", index) + box(b"mdat", data)
    add("sequence.heic", moved(moving, len(head) + 8 + len(index) + 8 - at - 8), "a sequence of pictures without a still one, of FFmpeg's HEVC", size=FILM)


def avif_genuine(add, tool, rgb):
    tool("avifenc.avif", "libavif avifenc", "avifenc s.png OUT")
    tool("avifenc-alpha.avif", "libavif avifenc, transparency", "avifenc alpha.png OUT")
    tool("avifenc-grid.avif", "libavif avifenc: a grid of two", "avifenc -q 30 --grid 2x1 wide.png OUT || avifenc --grid 2x1 --min 50 --max 60 wide.png OUT", size="128x64")
    tool("avifenc-frames.avif", "libavif avifenc: a sequence", "avifenc --min 50 --max 60 f0.png f1.png f2.png OUT")
    tool("heif-enc.avif", "libheif heif-enc", "heif-enc -q 40 s.png -o OUT")
    tool("vips.avif", "libvips", "vips heifsave s.png OUT --compression av1 --Q 40")
    tool("ffmpeg.avif", "FFmpeg", "ffmpeg -y -i s.png -c:v libaom-av1 -still-picture 1 -crf 50 OUT")
    tool("ffmpeg-frames.avif", "FFmpeg, three frames", "ffmpeg -y -i f%d.png -c:v libaom-av1 -crf 50 OUT")
    tool("exiftool.avif", "ExifTool: Exif and XMP, the media moved", "cp avifenc.avif OUT; exiftool -overwrite_original -Model=phone -XMP:Title=hi OUT")
    add("imagecodecs.avif", imagecodecs.avif_encode(numpy.asarray(rgb), level=60), "imagecodecs", size=SIZE)
    rgb.save("pillow.avif", quality=30)
    add("pillow.avif", pathlib.Path("pillow.avif").read_bytes(), "Pillow", size=SIZE)
    config, pixels = of_coded(pathlib.Path("avifenc.avif").read_bytes())
    one = [(1, b"av01", 0, pixels)], [config, ispe()], {1: (0x81, 2)}
    add("brand-mif1.avif", picture(*one, brands=(b"mif1", b"mif1", b"avif", b"miaf")), "the major brand mif1", size=SIZE)
    add("brand-msf1.avif", picture(*one, brands=(b"msf1", b"msf1", b"avis", b"avif")), "the major brand msf1", size=SIZE)
    add("avis-still.avif", picture(*one, brands=(b"avis", b"avif", b"mif1")), "the brand of a sequence, and a still picture", size=SIZE)
    add("brand-both.avif", picture(*one, brands=(b"mif1", b"heic", b"avif")), "said to be HEIC and AVIF; coded as AVIF", size=SIZE)
    add("idat.avif", picture([(1, b"av01", 1, pixels)], *one[1:], idat=pixels, brands=(b"avif", b"mif1", b"avif")), "all data in the list of what is in it", size=SIZE)
    whole = pathlib.Path("avifenc-frames.avif").read_bytes()
    add("sequence-alone.avif", changed(whole, "meta/pitm", box(b"free", bytes(6))), "a sequence that names no still picture, as old ones of libavif", size=SIZE)


def mp4_genuine(add, tool):
    sound = "-f lavfi -i sine=duration=0.1:sample_rate=8000"
    def film(name, how, options, inputs="-i f%d.png", out=None):
        tool(name, f"FFmpeg, {how}", f"ffmpeg -y {inputs} {options} OUT", size=FILM, out=out)

    h264 = "-vf scale=32:24 -c:v libx264 -pix_fmt yuv420p -bsf:v filter_units=remove_types=6"
    film("ffmpeg.mp4", "H.264 and AAC", f"{h264} -c:a aac", f"-i f%d.png {sound}")
    film("ffmpeg-h264.mp4", "H.264", h264)
    film("ffmpeg-faststart.mp4", "the index first", f"{h264} -movflags +faststart")
    film("ffmpeg-fragments.mp4", "fragments", f"{h264} -g 1 -movflags frag_keyframe+empty_moov+default_base_moof")
    film("ffmpeg-hybrid.mp4", "an index and fragments behind it", f"{h264} -g 1 -movflags frag_keyframe")
    film("ffmpeg-pipe.mp4", "fragments into a pipe", f"{h264} -movflags frag_every_frame -f mp4 pipe:1 | cat >")
    film("ffmpeg-cmaf.mp4", "CMAF with an index of segments", f"{h264} -movflags cmaf+dash+global_sidx")
    film("ffmpeg-psp.mp4", "the brand MSNV", f"{h264} -c:a aac -f psp", f"-i f%d.png {sound}")
    film("ffmpeg-3gp.mp4", "a brand of 3GPP, as old phones write it", f"{h264} -f 3gp")
    film("ffmpeg-hevc.mp4", "HEVC", X265)
    film("ffmpeg-av1.mp4", "AV1", "-vf scale=32:24 -c:v libaom-av1 -crf 50 -cpu-used 8")
    film("ffmpeg-cover.mp4", "a cover and a chapter", "-map 0 -map 1 -map_metadata 2 -c copy -disposition:v:1 attached_pic",
         "-i ffmpeg.mp4 -i s.jpg -i chapters.txt")
    film("ffmpeg-rotated.mp4", "MPEG-4 Part 2, rotated", "-c copy", "-display_rotation 90 -i v.mp4 || ffmpeg -y -i v.mp4 -metadata:s:v rotate=90 -c copy")
    tool("ffmpeg-sound.mp4", "FFmpeg, sound alone", f"ffmpeg -y {sound} -c:a aac OUT", size="0x0")
    qtfaststart.processor.process("ffmpeg.mp4", "qtfaststart.mp4")
    add("qtfaststart.mp4", pathlib.Path("qtfaststart.mp4").read_bytes(), "qtfaststart: the index moved to the front", size=FILM)
    gst = "gst-launch-1.0 -q multifilesrc location=f%d.png index=0 stop-index=2 caps=image/png,framerate=25/1 ! pngdec ! videoconvert ! videoscale ! video/x-raw,format=I420,width=32,height=24"
    for name, mux in {"gst.mp4": "mp4mux", "gst-faststart.mp4": "mp4mux faststart=true", "gst-fragments.mp4": "mp4mux fragment-duration=40", "gst-3gpp.mp4": "3gppmux"}.items():
        tool(name, f"GStreamer {mux}", f"{gst} ! avenc_mpeg4 ! {mux} ! filesink location=OUT", size=FILM)
    tool("exiftool.mp4", "ExifTool: XMP, tags, the place where it was taken", "cp ffmpeg-faststart.mp4 OUT; exiftool -overwrite_original -XMP:Title=hi -ItemList:Title=hi -GPSCoordinates='50 N, 7 E' OUT", size=FILM)
    whole = pathlib.Path("ffmpeg-h264.mp4").read_bytes()
    at, head, end = place(whole, "mdat")
    def edited(name, data, how):
        add(name, data, f"FFmpeg's, {how}", size=FILM)

    assert whole[at - 8:at] == box(b"free") and place(whole, "moov")[0] == end
    edited("wide.mp4", whole[:at - 8] + box(b"mdat", whole[at + 8:end], wide=True) + whole[end:], "data with a length of 64 bits, in the place of the free room before it")
    first = pathlib.Path("ffmpeg-faststart.mp4").read_bytes()
    last = place(first, "mdat")[0]
    edited("to-end.mp4", first[:last] + u32(0) + first[last + 4:], "data that goes on to the end of the file")
    stco = content(whole, "moov/trak/mdia/minf/stbl/stco")
    edited("co64.mp4", changed(whole, "moov/trak/mdia/minf/stbl/stco", full(b"co64", stco[4:8], *[bytes(4) + stco[n:n + 4] for n in range(8, len(stco), 4)])), "places of 64 bits")
    for name in (b"avc1", b"iso2", b"iso9", b"mp41", b"mp42", b"mmp4", b"3gp5", b"XAVC", b"CAEP", b"M4V ", b"dash", b"niko"):
        edited(f"brand-{name.decode().strip()}.mp4", whole.replace(b"ftypisom", b"ftyp" + name), f"the major brand {name.decode()}")
    edited("short-brands.mp4", brand(b"mp42") + box(b"free", bytes(8)) + whole[32:], "a box that says the type, of 16 bytes")
    edited("camera.mp4", whole + box(b"uuid", bytes(16), b"camera") + box(b"inst", bytes(9)) + box(b"sefd", bytes(30)), "private boxes of cameras and phones")
    edited("zeros.mp4", whole + bytes(99), "zeros behind the last box")
    edited("udta.mp4", inside(whole, "moov", box(b"udta", box(b"\xa9day", b"\0\4\x15\xc72023"), bytes(4))), "notes that end with four zeros, as QuickTime's")
    edited("moov-zeros.mp4", inside(whole, "moov", bytes(4)), "an index that ends with four zeros, as QuickTime's")
    edited("empty-url.mp4", patched(whole, "moov/trak/mdia/minf/dinf/dref", 8 + 8, u32(0)), "a reference to another file that names none")
    edited("tkhd-flat.mp4", patched(whole, "moov/trak/tkhd", 80, u32(24)), "to be shown less than a pixel high, as Xcode's recordings of the simulator say")
    edited("hint.mp4", inside(whole, "moov", box(b"trak", full(b"tkhd", bytes(80)), box(b"mdia", full(b"hdlr", u32(0), b"hint", bytes(13)), box(b"minf", box(b"stbl"))))), "a track of another kind, without tables")


def mov_genuine(add, tool):
    sound = "-f lavfi -i sine=duration=0.1:sample_rate=8000"
    tool("ffmpeg.mov", "FFmpeg, Motion JPEG and PCM", f"ffmpeg -y -i f%d.png {sound} -vf scale=32:24 -c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16be OUT", size=FILM)
    tool("ffmpeg-animation.mov", "FFmpeg, QuickTime Animation, the index first, a time code", "ffmpeg -y -i f%d.png -vf scale=9:7 -c:v qtrle -timecode 01:00:00:00 -movflags +faststart OUT", size="9x7")
    tool("ffmpeg-fragments.mov", "FFmpeg, fragments", "ffmpeg -y -i f%d.png -vf scale=9:7 -c:v qtrle -movflags frag_keyframe+empty_moov OUT", size="9x7")
    tool("gst.mov", "GStreamer qtmux", "gst-launch-1.0 -q multifilesrc location=f%d.png index=0 stop-index=2 caps=image/png,framerate=25/1 ! pngdec ! videoconvert ! video/x-raw,format=I420 ! jpegenc ! qtmux ! filesink location=OUT")
    tool("exiftool.mov", "ExifTool: Keys and XMP", "cp ffmpeg-animation.mov OUT; exiftool -overwrite_original -Keys:Model=phone -XMP:Title=hi OUT", size="9x7")
    whole = pathlib.Path("ffmpeg-animation.mov").read_bytes()
    ftyp, _, moov, mdat = (whole[a:e] for a, _, e, _ in sorted(parts(whole), key=lambda p: [b"ftyp", b"wide", b"moov", b"mdat"].index(p[3] if p[3] != b"free" else b"wide")))
    at = place(whole, "mdat")[0]
    def old(name, start, data, how):
        """An old film has no box that says its type. Its media begins behind what is given."""
        begin = start + data
        add(name, begin.replace(moov, moved(moov, begin.index(mdat) - at)), how, size="9x7")

    old("old-moov.mov", b"", moov + mdat, "FFmpeg's, as old films: the index first")
    old("old-mdat.mov", b"", mdat + moov, "FFmpeg's, as old films: the data first")
    old("old-wide.mov", box(b"wide"), mdat + moov, "FFmpeg's, as old films: room for a length of 64 bits first")
    old("old-free.mov", box(b"free", bytes(24)), mdat + moov, "FFmpeg's, as old films: free room first")
    old("old-skip.mov", box(b"skip", bytes(24)), mdat + moov, "FFmpeg's, as old films: skipped room first")
    old("old-pnot.mov", box(b"pnot", u32(0), u16(0), b"PICT", u16(1)) + box(b"PICT", bytes(10)), mdat + moov, "FFmpeg's, as old films: a preview first")
    old("phone.mov", brand(b"qt  ", b"qt  ") + box(b"wide"), mdat + moov, "FFmpeg's, in the order of iPhones")
    alis = whole.replace(b"url \0\0\0\1", b"alis\0\0\0\1")
    assert alis != whole
    add("alias.mov", alis, "FFmpeg's, references to the file itself as Macs have them", size="9x7")


def m4a_genuine(add, tool):
    sound = "-f lavfi -i sine=duration=0.1:sample_rate=8000"
    def made(name, how, command, size="0x0"):
        tool(name, how, command, size=size)

    made("ffmpeg.m4a", "FFmpeg, AAC", f"ffmpeg -y {sound} -c:a aac OUT")
    made("ffmpeg-alac.m4a", "FFmpeg, ALAC, the index first", f"ffmpeg -y {sound} -c:a alac -movflags +faststart OUT")
    made("ffmpeg-cover.m4a", "FFmpeg, a cover, chapters", f"ffmpeg -y {sound} -i s.jpg -i chapters.txt -map 0 -map 1 -map_metadata 2 -c:a aac -c:v copy -disposition:v attached_pic OUT")
    made("ffmpeg-mp4.m4a", "FFmpeg, as MP4 (isom), as messengers send sound", f"ffmpeg -y {sound} -c:a aac -f mp4 OUT")
    made("ffmpeg-dash.m4a", "FFmpeg, fragments", f"ffmpeg -y {sound} -c:a aac -movflags dash+frag_keyframe+empty_moov -brand dash -f mp4 OUT")
    made("gst.m4a", "GStreamer mp4mux", "gst-launch-1.0 -q audiotestsrc num-buffers=2 ! audio/x-raw,rate=8000 ! avenc_aac ! mp4mux ! filesink location=OUT")
    made("gst-3gpp.m4a", "GStreamer 3gppmux: the brand of old recorders", "gst-launch-1.0 -q audiotestsrc num-buffers=2 ! audio/x-raw,rate=8000 ! avenc_aac ! 3gppmux ! filesink location=OUT")
    made("atomicparsley.m4a", "AtomicParsley: tags", "AtomicParsley ffmpeg.m4a --title hi --artist me -o OUT")
    made("exiftool.m4a", "ExifTool: tags", "cp ffmpeg.m4a OUT; exiftool -overwrite_original -ItemList:Title=hi OUT")
    data = pathlib.Path("ffmpeg.m4a")
    pathlib.Path("mutagen.m4a").write_bytes(data.read_bytes())
    tags = mutagen.mp4.MP4("mutagen.m4a")
    tags["\xa9nam"] = "hi"
    tags["covr"] = [mutagen.mp4.MP4Cover(pathlib.Path("s.jpg").read_bytes())]
    tags.save()
    add("mutagen.m4a", pathlib.Path("mutagen.m4a").read_bytes(), "mutagen: a title and a cover", size="0x0")
    add("book.m4a", data.read_bytes().replace(b"ftypM4A ", b"ftypM4B "), "FFmpeg's, an audio book (M4B)", size="0x0")


def refused(add, read, php, archive):
    film, still, phone_ = read("ffmpeg-h264.mp4"), read("heif-enc.heic"), read("phone.heic")
    sound, mac, av1 = read("ffmpeg.m4a"), read("ffmpeg-animation.mov"), read("avifenc.avif")

    def bad(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict, (FILM if name.endswith(".mp4") else SIZE) if verdict == "ok" else "-")

    mismatched(bad, read, film, still, sound, mac, av1)
    top_refused(bad, read, film, still, mac, php, archive)
    film_refused(bad, film, mac)
    still_refused(bad, *of_coded(still))
    small_refused(bad, small(read), php)


def mismatched(bad, read, film, still, sound, mac, av1):
    def wrong(name, data, how):
        bad(name, data, how, "type_mismatch")

    wrong("heic-inside.avif", still, "a HEIC named avif")
    wrong("avif-inside.heic", av1, "an AVIF named heic")
    wrong("heic-inside.mp4", still, "a HEIC named mp4")
    wrong("mp4-inside.heic", film, "an MP4 named heic")
    wrong("mp4-inside.avif", film, "an MP4 named avif")
    wrong("mp4-inside.mov", film, "an MP4 named mov")
    wrong("mp4-inside.m4a", film, "an MP4 with a video named m4a")
    wrong("mov-inside.mp4", mac, "a QuickTime film named mp4")
    wrong("m4a-inside.mp4", sound, "an M4A named mp4")
    wrong("m4a-inside.mov", sound, "an M4A named mov")
    wrong("mov-inside.m4a", mac, "a QuickTime film named m4a")
    wrong("png-inside.mp4", read("go-nrgba.png"), "a PNG named mp4")
    wrong("png-inside.heic", read("go-nrgba.png"), "a PNG named heic")
    wrong("mp4-inside.png", film, "an MP4 named png")
    wrong("matcher-20.mov", box(b"ftyp", b"avif", bytes(8)) + still[24:], "what the matcher takes for QuickTime: a first box of 20 bytes")
    wrong("matcher.m4a", b"M4A <script>alert(1)</script>", "the letters that the matcher looks at, then HTML")
    wrong("matcher-mdat.mov", b"<html><body>mdat<script>alert(1)</script>", "letters in HTML that the matcher looks for")
    wrong("matcher-free.mov", b"<a> free<script>alert(1)</script>", "letters in HTML that a film could begin with")
    wrong("raw.mp4", film.replace(b"ftypisom", b"ftypcrx "), "a camera's raw picture (CR3), which names brands of MP4, too")
    wrong("raw.heic", still.replace(b"ftypheic", b"ftypcrx "), "a camera's raw picture (CR3) named heic")
    wrong("brand-both.heic", read("brand-both.avif"), "said to be HEIC and AVIF; coded as AVIF")
    wrong("coded.heic", av1.replace(b"avif", b"heic", 1), "a picture that is said to be HEIC, coded as AVIF")
    wrong("film.heic", read("ffmpeg-faststart.mp4").replace(b"ftypisom", b"ftypheic"), "an MP4 that is said to be HEIC")
    wrong("film.avif", read("ffmpeg-faststart.mp4").replace(b"ftypisom", b"ftypavis"), "an MP4 that is said to be AVIF")
    wrong("sound.heic", sound.replace(b"ftypM4A ", b"ftypheic"), "a sound that is said to be HEIC")
    wrong("script.heic", b"<!DOCTYPE html><script>alert(1)</script>", "HTML named heic")


def top_refused(bad, read, film, still, mac, php, archive):
    at, _, end = place(film, "mdat")
    for name, data in {"mp4": film, "heic": still, "mov": mac}.items():
        bad(f"cut-0.{name}", b"", "no bytes", "truncated")
        bad(f"cut-14.{name}", data[:14], "cut in the box that says the type", "truncated")
        bad(f"cut-last.{name}", data[:-1], "the last byte is missing", "truncated")
        bad(f"cut-half.{name}", data[:len(data) // 2], "cut in the middle", "truncated")
        bad(f"script-behind.{name}", data + php, "a PHP script behind the last box", "trailing_data")
        bad(f"zip-behind.{name}", data + archive, "a ZIP archive behind the last box", "trailing_data")
        bad(f"pdf-behind.{name}", data + b"%PDF-1.7\n", "a PDF behind the last box", "trailing_data")
        bad(f"html-behind.{name}", data + b"\n\n<html><script>alert(1)</script>", "HTML behind the last box", "trailing_data")
        bad(f"jpeg-behind.{name}", data + read("cjpeg-gray.jpg"), "a JPEG behind the last box", "trailing_data")
        bad(f"words-behind.{name}", data + b"aaaabbbbccccdddd", "text behind the last box, which could be a length and a type", "trailing_data")
    bad("two.mp4", film + film, "two MP4s in a row", "trailing_data")
    bad("two.heic", still + still, "two HEICs in a row", "trailing_data")
    bad("film-behind.heic", still + film, "an MP4 behind the picture, in no box", "trailing_data")
    bad("samsung-behind.mp4", film + read("samsung.jpg")[-80:], "a part of Samsung's notes behind a video", "trailing_data")
    bad("no-moov.mp4", film[:end], "the index is missing, as of a recording that was broken off", "truncated")
    bad("no-mdat.mp4", film[:at] + film[end:], "the data is missing", "truncated")
    bad("no-mdat.heic", still[:place(still, "mdat")[0]], "the data is missing", "truncated")
    bad("no-meta.heic", still[:24] + box(b"mdat", bytes(9)), "the list of what is in it is missing", "truncated")
    bad("two-moov.mp4", film + film[end:], "two indexes")
    bad("two-meta.heic", phone_pair(still), "two lists of what is in it")
    bad("size-7.mp4", film[:at] + u32(7) + film[at + 4:], "data that is shorter than its own head")
    bad("size-beyond.mp4", film[:at] + u32(0x7FFFFFFF) + film[at + 4:], "data that reaches beyond the end", "truncated")
    bad("size-64.mp4", film[:at - 8] + box(b"mdat", film[at + 8:end], wide=True, size=15) + film[end:], "a length of 64 bits that is shorter than the head")
    bad("size-most.mp4", film[:at - 8] + box(b"mdat", film[at + 8:end], wide=True, size=2**64 - 1) + film[end:], "the largest length there is")
    bad("size-0-moov.mp4", film[:end] + u32(0) + film[end + 4:], "an index without a length")
    bad("size-0-free.mp4", film + box(b"free", bytes(9), size=0), "free room without a length")
    bad("size-0-first.mp4", film[:at] + u32(0) + film[at + 4:], "data without a length before the index, which it swallows", "truncated")
    first = film[:at]
    bad("overlap.mp4", first + u32(end - at + 40) + film[at + 4:], "data that reaches into the index", "corrupt")
    bad("to-end-more.heic", read("to-end.heic") + php, "a script behind data that goes on to the end of the file", "trailing_data")
    bad("to-end-zip.heic", read("to-end.heic") + archive, "a ZIP archive behind data that goes on to the end of the file", "trailing_data")
    bad("mpvd.heic", still + box(b"mpvd", film[:-9]), "a motion photo whose video is cut within its box")
    bad("mpvd-init.heic", still + box(b"mpvd", read("ffmpeg-fragments.mp4")[:place(read("ffmpeg-fragments.mp4"), "moov")[2]]), "a motion photo whose video has no data")
    bad("mpvd-script.heic", still + box(b"mpvd", php), "a script in the place of a motion photo's video")
    bad("mpvd-more.heic", still + box(b"mpvd", film + php), "a script behind a motion photo's video")
    bad("mpvd-nested.heic", still + box(b"mpvd", film + box(b"mpvd", film)) + php, "videos in videos, and a script", "trailing_data")


def small_refused(bad, files, php):
    """Adds for each type what is not among the files above: wrong sizes, boxes and data that overlap, cuts, more behind the end."""
    for name, data in files.items():
        at = place(data, "mdat")[0]
        index, part = ("meta", "meta/iprp") if name in ("heic", "avif") else ("moov", "moov/trak")
        first, _, last = place(data, index)
        inner = place(data, part)[0]
        sized = lambda at, n: data[:at] + u32(n) + data[at + 4:]
        if name in ("avif", "m4a"):
            bad(f"cut-0.{name}", b"", "no bytes", "truncated")
            bad(f"cut-14.{name}", data[:14], "cut in the box that says the type", "truncated")
            bad(f"cut-half.{name}", data[:len(data) // 2], "cut in the middle", "truncated")
            bad(f"cut-last.{name}", data[:-1], "the last byte is missing", "truncated")
            bad(f"script-behind.{name}", data + php, "a PHP script behind the last box", "trailing_data")
            bad(f"two.{name}", data + data, "two in a row", "trailing_data")
        if name != "mp4":
            bad(f"size-7.{name}", sized(at, 7), "data that is shorter than its own head")
            bad(f"size-beyond.{name}", sized(at, 0x7FFFFFFF), "data that reaches beyond the end", "truncated")
            bad(f"size-0-{index}.{name}", sized(first, 0), f"a list of what is in it ({index}) without a length")
            bad(f"child-beyond.{name}", sized(inner, 0x00FFFFFF), "a part that is longer than the one around it")
        bad(f"overlap-{index}.{name}", sized(first, last - first + 16), f"a list of what is in it ({index}) that reaches into the data")
        if name in ("mov", "m4a"):
            places = "moov/trak/mdia/minf/stbl/stco"
            bad(f"stco-before.{name}", patched(data, places, 8, u32(first)), "a chunk that begins in the list of what is in it")
            bad(f"stco-most.{name}", patched(data, places, 8, u32(0xFFFFFFFF)), "a chunk at the last byte of 4 GB", "truncated")
    config, pixels = of_coded(files["avif"])

    def listed(name, how, verdict="corrupt", begin=0, length=0, uses=()):
        """Adds an AVIF whose list names bytes elsewhere, or more of them."""
        whole = picture([(1, b"av01", 0, pixels), (2, b"grid", 1, bytes(8))], [config, ispe()], {1: (0x81, 2), 2: (2,)}, 1, idat=bytes(8),
                        brands=(b"avif", b"mif1"), references=uses)
        extent = 4 + 2 + 2 + 2 + 2 + 2 + 4 + 2
        start = struct.unpack_from(">I", content(whole, "meta/iloc"), extent)[0]
        bad(name + ".avif", patched(whole, "meta/iloc", extent, u32(start + begin, len(pixels) + length)), how, verdict)

    listed("before", "a picture that lies before the data", begin=-50)
    listed("beyond", "a picture that reaches beyond the end", "truncated", length=1)
    listed("loop", "pictures that are made of each other", uses=[(b"dimg", 2, (1, 2)), (b"dimg", 1, (2,))])


def phone_pair(still):
    at, _, end = place(still, "meta")
    return still + still[at:end]


def film_refused(bad, film, mac):
    table = "moov/trak/mdia/minf/stbl/"
    media = place(film, "mdat")
    bad("child-beyond.mp4", film.replace(b"mdia", b"mdia", 1)[:place(film, "moov/trak/mdia")[0]] + u32(0x00FFFFFF) + film[place(film, "moov/trak/mdia")[0] + 4:], "a part that is longer than the one around it")
    bad("child-0.mp4", film[:place(film, "moov/trak/mdia")[0]] + u32(0) + film[place(film, "moov/trak/mdia")[0] + 4:], "a part without a length")
    bad("child-7.mp4", inside(film, "moov", u32(7) + b"free"), "a part that is shorter than its own head")
    bad("child-rest.mp4", inside(film, "moov", b"rest"), "four letters at the end of the index")
    bad("child-head.mp4", inside(film, "moov", u32(1) + b"free"), "a part whose length of 64 bits is missing")
    bad("nested.mp4", inside(film, "moov/trak/mdia", box(b"mdia", box(b"mdia", size=99))), "parts in parts of their own type", "ok")
    for name, path, size in (("stts", "stts", 8), ("stsc", "stsc", 12), ("stco", "stco", 4)):
        bad(f"{name}-count.mp4", patched(film, table + path, 4, b"\xff\xff\xff\xff"), f"a table ({name}) that claims 4,294,967,295 entries of {size} bytes")
    bad("stsz-count.mp4", patched(film, table + "stsz", 8, b"\x7f\0\0\0"), "a table of sizes (stsz) that claims more than it has")
    bad("stz2-count.mp4", changed(film, table + "stsz", full(b"stz2", u32(4), u32(5), b"\1\2")), "a table of short sizes (stz2) that claims more than it has")
    bad("stco-short.mp4", changed(film, table + "stco", box(b"stco", u32(0))), "a table of places (stco) without a number of entries")
    bad("stco-before.mp4", patched(film, table + "stco", 8, u32(media[0])), "a chunk that begins before the data")
    bad("stco-behind.mp4", patched(film, table + "stco", 8, u32(media[2] + 1)), "a chunk that begins behind the data")
    bad("stco-most.mp4", patched(film, table + "stco", 8, u32(0xFFFFFFFF)), "a chunk at the last byte of 4 GB", "truncated")
    bad("co64-most.mp4", changed(film, table + "stco", full(b"co64", u32(1), b"\xff" * 8)), "a chunk at the last byte that can be said")
    bad("stsd-count.mp4", patched(film, table + "stsd", 4, u32(9)), "a list of codings (stsd) that claims more than it has")
    bad("stsd-short.mp4", changed(film, table + "stsd", full(b"stsd", u32(1), box(b"avc1", bytes(20)))), "a coding that is too short")
    bad("stsd-giant.mp4", patched(film, table + "stsd", 8 + 8 + 24, b"\xff\xff\xff\xff"), "pictures of 65,535 x 65,535 pixels", "too_many_pixels")
    entry = content(film, table + "stsd")[8:]
    bad("stsd-second.mp4", changed(film, table + "stsd", full(b"stsd", u32(2), entry, entry[:32] + b"\xff\xff\xff\xff" + entry[36:])), "a second coding, of pictures of 65,535 x 65,535 pixels", "too_many_pixels")
    bad("stsd-zero.mp4", patched(film, table + "stsd", 8 + 8 + 24, b"\0\0\0\x18"), "pictures of width 0")
    bad("tkhd-giant.mp4", patched(film, "moov/trak/tkhd", 76, b"\xff\xff\0\0\xff\xff\0\0"), "to be shown as 65,535 x 65,535 pixels", "too_many_pixels")
    bad("tkhd-wide.mp4", changed(film, "moov/trak/tkhd", full(b"tkhd", bytes(84), b"\xff\xff\0\0\xff\xff\0\0", version=1)), "the same with times of 64 bits", "too_many_pixels")
    bad("tkhd-short.mp4", changed(film, "moov/trak/tkhd", full(b"tkhd", bytes(40))), "the header of a track that is too short")
    bad("hdlr-short.mp4", changed(film, "moov/trak/mdia/hdlr", box(b"hdlr", bytes(8))), "the kind of a track is missing")
    reference = "moov/trak/mdia/minf/dinf/dref"
    for name, entry in {
        "url": full(b"url ", b"http://example.com/a.mp4\0"), "unc": full(b"url ", b"file://server/share/a.mp4\0"),
        "urn": full(b"urn ", b"urn:x\0"), "alias": full(b"alis", bytes(150)), "resource": full(b"rsrc", bytes(90)),
    }.items():
        bad(f"elsewhere-{name}.mp4", changed(film, reference, full(b"dref", u32(1), entry)), f"media in another file ({entry[4:8].decode().strip()})", "not_allowed")
    bad("elsewhere-second.mp4", changed(film, reference, full(b"dref", u32(2), full(b"url ", flags=1), full(b"url ", b"http://example.com/\0"))), "media in another file, in the second place", "not_allowed")
    bad("dref-count.mp4", changed(film, reference, full(b"dref", u32(9), full(b"url ", flags=1))), "a list of files (dref) that claims more than it has")
    bad("dref-short.mp4", changed(film, reference, full(b"dref", u32(1), box(b"url "))), "a reference without its flags")
    bad("rmra.mov", inside(mac, "moov", box(b"rmra", box(b"rmda", full(b"rdrf", b"url ", u32(20), b"http://example.com/\0")))), "a film that is a list of others (rmra)", "not_allowed")
    bad("cmov.mov", inside(mac, "moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", bytes(30)))), "a compressed index (cmov)", "not_allowed")
    trun = full(b"trun", u32(1000, 0), flags=0x301)
    bad("trun-count.mp4", film + box(b"moof", full(b"mfhd", u32(1)), box(b"traf", full(b"tfhd", u32(1)), trun)), "a fragment that claims more samples than it lists")
    bad("trun-short.mp4", film + box(b"moof", box(b"traf", full(b"trun", u32(0), flags=5))), "the head of a fragment's list is too short")


def still_refused(bad, config, pixels):
    one = [(1, b"hvc1", 0, pixels)], [config, ispe()], {1: (0x81, 2)}

    def listed(name, how, verdict="corrupt", edit=lambda d: d, **other):
        bad(name + ".heic", edit(picture(*other.pop("of", one), **other)), how, verdict)

    def within(path, at, new):
        return lambda data: patched(data, path, at, new)

    good = picture(*one)
    start, _, end = place(good, "mdat")
    extent = 4 + 2 + 2 + 2 + 2 + 2 + 4 + 2
    listed("handler", "it is said to be something else (mdir)", handler=b"mdir")
    listed("primary-none", "the picture to be shown is not there", primary=7)
    listed("primary-exif", "Exif is to be shown", of=([(1, b"Exif", 0, pixels)],) + one[1:])
    listed("no-pitm", "which picture is to be shown is not said", edit=lambda d: changed(d, "meta/pitm", box(b"free", bytes(6))))
    listed("no-ispe", "a picture without a size", of=(one[0], [config, box(b"free", bytes(12))], one[2]))
    listed("property", "a property that is not there", of=one[:2] + ({1: (0x81, 9)},))
    listed("zero", "width 0", of=(one[0], [config, ispe(0, 23)], one[2]))
    listed("giant", "65,535 x 65,535 pixels", "too_many_pixels", of=(one[0], [config, ispe(65535, 65535)], one[2]))
    listed("giant-other", "a size of 4,294,967,295 that no picture has", "too_many_pixels", of=(one[0], [config, ispe(), ispe(2**32 - 1, 2**32 - 1)], one[2]))
    listed("long-side", "one long side", "too_many_pixels", of=(one[0], [config, ispe(16385, 1)], one[2]))
    listed("ispe-short", "a size that is too short", of=(one[0], [config, full(b"ispe", u32(31))], one[2]))
    listed("before", "a picture that lies before the data", edit=within("meta/iloc", extent, u32(start)))
    listed("behind", "a picture that reaches beyond the data", edit=lambda d: within("meta/iloc", extent + 4, u32(len(pixels) + 1))(d) + box(b"free", bytes(50)))
    listed("beyond", "a picture that reaches beyond the end", "truncated", edit=within("meta/iloc", extent + 4, u32(len(pixels) + 1)))
    listed("far", "a picture at the last byte of 4 GB", "truncated", edit=within("meta/iloc", extent, u32(0xFFFFFFFF)))
    listed("method", "a way to find a picture that does not exist", edit=within("meta/iloc", 4 + 2 + 2 + 2, u16(3)))
    listed("idat", "a picture that reaches beyond the list's own data", of=([(1, b"hvc1", 1, pixels)],) + one[1:], idat=pixels[:-1])
    listed("iloc-sizes", "numbers of 15 bytes", edit=within("meta/iloc", 4, b"\xff"))
    listed("iloc-version", "a list of places of a version that does not exist", edit=within("meta/iloc", 0, b"\3"))
    listed("iloc-count", "a list of places that claims more than it has", edit=within("meta/iloc", 6, u16(9)))
    listed("iloc-extents", "a picture in more pieces than are listed", edit=within("meta/iloc", extent - 2, u16(0xFFFF)))
    loop = full(b"iloc", b"\0\0", u16(1000), *[u16(n + 1, 0, 0xFFFF) for n in range(1000)])
    listed("iloc-nothing", "a thousand pictures in 65,535 pieces without a place, and none to be shown", primary=7, edit=lambda d: changed(d, "meta/iloc", loop))
    wide = full(b"iloc", b"\x88\x80", u16(1), u16(1, 0), b"\x7f" + b"\xff" * 7, u16(1), b"\x7f" + b"\xff" * 7, b"\x7f" + b"\xff" * 7)
    listed("iloc-overflow", "a place whose sum is beyond 64 bits", edit=lambda d: changed(d, "meta/iloc", wide))
    def inner(offset, length):
        return full(b"iloc", b"\x88\0", u16(1), u16(1, 1, 0, 1), offset, length, version=1)

    minus = full(b"iloc", b"\x88\0", u16(1), u16(1, 0, 1), b"\xff" * 8, b"\0" * 8)
    listed("iloc-negative", "a place with the first of 64 bits set", edit=lambda d: changed(d, "meta/iloc", minus))
    listed("idat-overflow", "a place in the list's own data whose sum is beyond 64 bits", idat=bytes(9), edit=lambda d: changed(d, "meta/iloc", inner(b"\x7f" + b"\xff" * 7, b"\x7f" + b"\xff" * 7)))
    listed("idat-negative", "a place in the list's own data with the first of 64 bits set", idat=bytes(9), edit=lambda d: changed(d, "meta/iloc", inner(b"\xff" * 7 + b"\xf8", u32(0, 8))))
    based = full(b"iloc", b"\x44\x80", u16(1), u16(1, 1, 0), b"\xff" * 7 + b"\xf8", u16(1), u32(0, 8), version=1)
    listed("idat-base", "a base of such a place with the first of 64 bits set", idat=bytes(9), edit=lambda d: changed(d, "meta/iloc", based))
    listed("iinf-count", "a list of items that claims more than it has", edit=within("meta/iinf", 4, u16(9)))
    listed("iinf-other", "something else in the list of items", edit=within("meta/iinf", 6 + 4, b"infx"))
    listed("iinf-twice", "two items of one number", of=(one[0] * 2,) + one[1:])
    listed("ipma-count", "a list of properties that claims more than it has", edit=within("meta/iprp/ipma", 4, u32(2**32 - 1)))
    listed("two-iinf", "two lists of items", more=full(b"iinf", u16(0)))
    listed("iref-short", "a reference that is cut", more=full(b"iref", box(b"dimg", u16(1, 5))))
    listed("elsewhere", "data in another file", "not_allowed", edit=lambda d: changed(d, "meta/dinf/dref", full(b"dref", u32(1), full(b"url ", b"http://example.com/\0"))))
    tiles = [(1, b"hvc1", 0, pixels), (2, b"grid", 1, bytes(8))], [config, ispe(7000, 7000)], {1: (0x81, 2), 2: (2,)}
    layers = [tiles[0][0], (2, b"iovl", 1, bytes(8))], *tiles[1:]
    listed("grid", "a grid of 31 x 23 pixels made of nine tiles as large", of=tiles[:1] + ([config, ispe()], tiles[2]), primary=2, references=[(b"dimg", 2, (1,) * 9)], idat=bytes(8))
    listed("bomb", "a picture of 49 million pixels, laid over itself 40 times", "too_many_pixels", of=layers, primary=2, references=[(b"dimg", 2, (1,) * 40)], idat=bytes(8))
    listed("loop", "a grid that is made of itself", of=tiles[:1] + ([config, ispe()], tiles[2]), primary=2, references=[(b"dimg", 2, (2, 2))], idat=bytes(8))
