"""ZIP archives and office files: of many programs, edited as other programs leave them, and spoiled."""
import io
import shutil
import struct
import zipfile
import zlib

import docx
import openpyxl
import pptx
import xlsxwriter
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

from genuine import run

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
# Extension, content type and name of the main part of each.
OFFICE = (("docx", WORD, "word/document.xml"), ("xlsx", SHEET, "xl/workbook.xml"), ("pptx", SLIDES, "ppt/presentation.xml"))
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
PHP = b"<?php system($_GET['c']); ?>"


class Entry:
    """One entry as it is written: everything may be set to a lie in either header."""

    def __init__(self, name, content=b"hello, world\n", method=0, flags=0, extra=b"", descriptor="", local=None, central=None,
                 central_extra=b"", packed=None):
        self.name, self.method, self.flags, self.extra, self.central_extra = name, method, flags, extra, central_extra
        if packed is None:
            packed = content
            if method == 8:
                c = zlib.compressobj(wbits=-15)
                packed = c.compress(content) + c.flush()
        self.packed, self.attributes = packed, 0
        self.true = dict(name=name, method=method, flags=flags, crc=zlib.crc32(content), packed=len(packed), size=len(content))
        self.local, self.central, self.descriptor = dict(self.true, **(local or {})), dict(self.true, **(central or {})), descriptor

    def header(self, local):
        v = self.local if local else self.central
        return struct.pack("<HHIIIIH", v["flags"], v["method"], 0, v["crc"], v["packed"], v["size"], len(v["name"]))

    def written(self):
        v = self.true
        tail = {"": b"", "signed": struct.pack("<4sIII", b"PK\7\x08", v["crc"], v["packed"], v["size"]),
                "bare": struct.pack("<III", v["crc"], v["packed"], v["size"]),
                "wide": struct.pack("<4sIQQ", b"PK\7\x08", v["crc"], v["packed"], v["size"]),
                "wide-bare": struct.pack("<IQQ", v["crc"], v["packed"], v["size"])}.get(self.descriptor, self.descriptor)
        return b"PK\3\4\x14\0" + self.header(True) + struct.pack("<H", len(self.extra)) + self.local["name"] + self.extra + self.packed + tail

    def listed(self, at):
        return (b"PK\1\2\x14\x03\x14\0" + self.header(False) + struct.pack("<HHHHII", len(self.central_extra), 0, 0, 0, self.attributes, at)
                + self.central["name"] + self.central_extra)


def archive(*entries, comment=b"", order=None, at=None, before=b"", between=b"", behind=b"", count=None, end=None, wide=None, **_):
    """Writes entries and their directory. at moves the places that it names, wide adds ZIP64 records."""
    body, places = before, []
    for e in entries:
        if places:
            body += between
        places.append(len(body))
        body += e.written()
    body += behind
    start = len(body)
    listed = [entries[i].listed((at or {}).get(i, places[i])) for i in (order or range(len(entries)))]
    directory = b"".join(listed)
    n = len(listed) if count is None else count
    tail = b""
    if wide is not None:
        w = dict(dict(count=n, size=len(directory), start=start, record=start + len(directory), length=44, disks=1), **wide)
        tail = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", w["length"], 45, 45, 0, 0, w["count"], w["count"], w["size"], w["start"])
        tail += struct.pack("<4sIQI", b"PK\6\7", 0, w["record"], w["disks"])
    e = dict(dict(disk=0, count=n, size=len(directory), start=start, comment=len(comment)), **(end or {}))
    return body + directory + tail + struct.pack("<4sHHHHIIH", b"PK\5\6", e["disk"], e["disk"], e["count"], e["count"], e["size"],
                                                e["start"], e["comment"]) + comment


def libreoffice(form, file):
    """Gives a command that converts a file to OUT. LibreOffice keeps its settings in the folder where the command runs."""
    return f'soffice -env:UserInstallation="file://$PWD/settings" --headless --convert-to {form} --outdir written {file} && mv written/* OUT'


def renamed(header, name, of=None, content=b"hello, world\n"):
    """An entry with Info-ZIP's Unicode Path field."""
    name = name.encode()
    field = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(header if of is None else of)) + name
    return Entry(header, content, extra=field, central_extra=field)


def linked(name, target):
    """A symbolic link, as programs on Unix pack it."""
    e = Entry(name, target)
    e.attributes = 0o120777 << 16
    return e


def saved(write):
    b = io.BytesIO()
    write(b)
    return b.getvalue()


def make(add, work, here):
    zips(add, work, here)
    office(add, work)
    zip_refused(add)
    office_refused(add)


def zips(add, work, here):
    folder = work / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "note.txt").write_text("hello, world\n" * 9)
    (folder / "sub" / "grüße.csv").write_text("a;b\n1;2\n")

    def tool(name, how, command):
        out = work / name
        run("sh", "-c", command.replace("OUT", str(out)), cwd=folder)
        add(name, out.read_bytes(), how, size="0x0")

    tool("infozip.zip", "Info-ZIP", "zip -r OUT .")
    tool("infozip-stored.zip", "Info-ZIP, stored, with a comment", "zip -0 OUT note.txt; echo hello | zip -z OUT")
    tool("infozip-pipe.zip", "Info-ZIP from a pipe into a pipe: ZIP64 and a data descriptor", "cat note.txt | zip - - | cat > OUT")
    tool("infozip-encrypted.zip", "Info-ZIP, with a password", "zip -P secret OUT note.txt")
    seven = "7zz" if shutil.which("7zz") else "7z"  # in Debian 12, and in later ones
    tool("7zip.zip", "7-Zip", seven + " a -tzip OUT .")
    tool("7zip-aes.zip", "7-Zip, with a password (AES)", seven + " a -tzip -psecret -mem=AES256 OUT note.txt")
    tool("7zip-lzma.zip", "7-Zip, LZMA", seven + " a -tzip -mm=LZMA OUT note.txt")
    tool("7zip-deflate64.zip", "7-Zip, Deflate64", seven + " a -tzip -mm=Deflate64 OUT note.txt")
    tool("libarchive.zip", "libarchive (bsdtar)", "bsdtar -cf OUT --format zip .")
    tool("git.zip", "git archive", "git init -q g; cp note.txt g; cd g; git add .; git -c user.name=a -c user.email=a@b commit -qm x; git archive --format=zip HEAD > OUT; rm -rf ../g")
    run("go", "run", str(here / "encodezip.go"), str(work))
    for file in sorted(work.glob("go*.zip")):
        add(file.name, file.read_bytes(), "Go's own archive/zip, encodezip.go", size="0x0")

    def python(b, **options):
        with zipfile.ZipFile(b, "w", **options) as z:
            z.write(folder / "note.txt", "note.txt")
            with z.open("large.txt", "w", force_zip64=True) as f:
                f.write(b"hello")

    add("python.zip", saved(lambda b: python(b, compression=zipfile.ZIP_DEFLATED)), "Python's zipfile, ZIP64 forced", size="0x0")

    def edited(name, data, how):
        add(name, data, how, size="0x0")

    one, two = Entry(b"one.txt"), Entry(b"two.txt", b"two" * 50, 8)
    streamed = dict(flags=8, local=dict(crc=0, packed=0, size=0))
    edited("none.zip", archive(), "an archive without entries")
    edited("order.zip", archive(one, two, order=[1, 0]), "a directory in another order than the entries")
    edited("comment.zip", archive(one, comment=b"hello PK\1\2"), "a comment")
    edited("newline.zip", archive(one) + b"\n", "a line end behind the archive")
    edited("macos.zip", archive(Entry(b"Icon\r", b"two" * 50, 8, flags=8, local=dict(crc=0, packed=0), descriptor="signed"), Entry(b"__MACOSX/", b"")),
           "as macOS writes them: the local header has the size alone, the rest is in the descriptor; a folder's icon")
    for kind in ("signed", "bare", "wide", "wide-bare"):
        edited(f"descriptor-{kind}.zip", archive(Entry(b"one.txt", descriptor=kind, **streamed), two), f"a data descriptor, {kind}")
    edited("descriptor-known.zip", archive(Entry(b"one.txt", flags=8, descriptor="signed")), "a data descriptor that says what the header said")
    wide = struct.pack("<HHQQ", 1, 16, 13, 13)
    saturated = dict(packed=0xFFFFFFFF, size=0xFFFFFFFF)
    edited("zip64-local.zip", archive(Entry(b"one.txt", extra=wide, local=saturated)), "ZIP64 sizes in the local header alone")
    edited("zip64.zip", archive(Entry(b"one.txt", extra=wide, local=saturated, central_extra=wide, central=saturated), wide={}, end=dict(count=0xFFFF, size=0xFFFFFFFF, start=0xFFFFFFFF)), "ZIP64 throughout")
    edited("zip64-unneeded.zip", archive(one, wide={}), "a ZIP64 record that was not needed")
    edited("backslash.zip", archive(Entry(b"folder\\one.txt")), "a path as old .NET programs write it")
    edited("aligned.zip", archive(Entry(b"one.txt", extra=bytes(3)), two), "zeros in the extra field, as zipalign writes them")
    for label, header, name in (("cp437", "gr\u00fc\u00dfe.csv".encode("cp437"), "gr\u00fc\u00dfe.csv"), ("escaped", b"gr#U00fc#U00dfe.csv", "gr\u00fc\u00dfe.csv"),
                                ("decomposed", "gr\u00fc\u00dfe.csv".encode("cp437"), "gru\u0308\u00dfe.csv"), ("same", b"one.txt", "one.txt"),
                                ("slashes", b"folder\\one.txt", "folder/one.txt")):
        edited(f"unicode-{label}.zip", archive(renamed(header, name)), f"a name, and the same one in Unicode in an extra field: {label}")
    edited("unicode-stale.zip", archive(renamed(b"one.txt", "two.txt", of=b"old.txt")), "a name in Unicode for a name that the entry had before: programs do not take it")
    edited("links.zip", archive(linked(b"lib/current", b"v1"), Entry(b"lib/v1/a.txt"), linked(b"Readme.md", b"README.md"), Entry(b"README.md")), "symbolic links, one with the name of a file in another case")
    edited("links-cp437.zip", archive(linked(b"\x81", b"\x82"), Entry(b"\x82/a.txt")), "a symbolic link and a folder whose names differ in an old charset")
    edited("imploded.zip", archive(Entry(b"ONE.TXT", method=6, packed=b"1234567", flags=2)), "a method of 1989")


def package(main=WORD, name="word/document.xml", parts=(), relations="", types="", root="", method=8, **options):
    """A small office file of our own: content types, relationships and a main part."""
    xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    content = (xml + '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
               'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
               f'<Override PartName="/{name}" ContentType="{main}"/>{types}</Types>')
    links = lambda inner: xml + f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>'
    folder, file = name.rsplit("/", 1)
    entries = {b"[Content_Types].xml": content, b"_rels/.rels": links(root + f'<Relationship Id="r1" Type="{RELATION}officeDocument" Target="{name}"/>'),
               name.encode(): "<document/>"}
    if relations:
        entries[f"{folder}/_rels/{file}.rels".encode()] = links(relations)
    entries.update({k: links(v) if k.endswith(b".rels") else v for k, v in dict(parts).items()})
    made = [Entry(k, v.encode(), method) for k, v in entries.items() if v is not None]
    return archive(*(options.pop("change", lambda e: e)(made)), **options)


def link(kind, target, external=True, id="r9"):
    return f'<Relationship Id="{id}" Type="{RELATION}{kind}" Target="{target}"' + (' TargetMode="External"/>' if external else "/>")


def spoil(what, to):
    """Changes the text of all parts."""
    return lambda entries: [Entry(e.name, zlib.decompress(e.packed, -15).replace(what, to), 8) for e in entries]


def lean(data, keep=lambda name: True):
    """Writes an office file anew without its pictures and the like, as small as the program's own parts are."""
    def write(b):
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
            for info in source.infolist():
                if keep(info.filename):
                    z.writestr(info, source.read(info), compresslevel=9)
    return saved(write)


def office(add, work):
    def genuine(name, data, how):
        add(name, data, how, size="0x0")

    text = docx.Document()
    text.add_paragraph("hello, world")
    bulky = ("docProps/thumbnail.jpeg", "word/stylesWithEffects.xml", "word/styles.xml", "word/numbering.xml")
    genuine("python-docx.docx", lean(saved(text.save), lambda n: n not in bulky), "python-docx, its largest parts taken out")
    book = openpyxl.Workbook()
    book.active["A1"] = "hello"
    genuine("openpyxl.xlsx", saved(book.save), "openpyxl")

    def xlsx(b):
        w = xlsxwriter.Workbook(b, {"in_memory": True})
        sheet = w.add_worksheet()
        sheet.write_column("A1", [1, 2, 3])
        sheet.write_url("B1", "https://example.com/")
        chart = w.add_chart({"type": "line"})
        chart.add_series({"values": "=Sheet1!$A$1:$A$3"})
        sheet.insert_chart("D1", chart)
        w.close()

    genuine("xlsxwriter.xlsx", saved(xlsx), "XlsxWriter, a chart and a link")
    show = pptx.Presentation()
    data = CategoryChartData()
    data.categories = ["a"]
    data.add_series("s", [1])
    show.slides.add_slide(show.slide_layouts[6]).shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, 99, 99, data)
    genuine("python-pptx.pptx", lean(saved(show.save), lambda n: "thumbnail" not in n and "printerSettings" not in n and "Layouts/slideLayout1" not in n),
            "python-pptx, a chart with its workbook; some layouts taken out")
    (work / "s.md").write_text("# hello\n\n[world](https://example.com/)\n")
    (work / "s.csv").write_text("a,b\n1,2\n")
    (work / "s.txt").write_text("hello, world\n")
    (work / "own.pptx").write_bytes(package(SLIDES, name="ppt/presentation.xml"))
    for command, name, how in (("pandoc -o OUT s.md", "pandoc.docx", "pandoc"), ("pandoc -o OUT s.md", "pandoc.pptx", "pandoc"),
                               ("ssconvert s.csv OUT", "gnumeric.xlsx", "Gnumeric"), ("abiword --to=docx -o OUT s.md", "abiword.docx", "AbiWord"),
                               (libreoffice("docx", "s.txt"), "libreoffice.docx", "LibreOffice"),
                               (libreoffice("xlsx", "s.csv"), "libreoffice.xlsx", "LibreOffice"),
                               (libreoffice("pptx", "own.pptx") + "; zip -d OUT 'ppt/slideLayouts/*'",
                                "libreoffice.pptx", "LibreOffice; its layouts taken out by Info-ZIP")):
        run("sh", "-c", command.replace("OUT", name), cwd=work)
        genuine(name, (work / name).read_bytes(), how)

    presentation = dict(main=SLIDES, name="ppt/presentation.xml")
    genuine("own.docx", package(), "written by hand, as small as one can be")
    genuine("own.xlsx", package(SHEET, name="xl/workbook.xml"), "written by hand, as small as one can be")
    genuine("own.pptx", package(**presentation), "written by hand, as small as one can be")
    genuine("show.pptx", package(SLIDES.replace("presentation.main", "slideshow.main"), name="ppt/presentation.xml"), "a slide show, as PowerPoint saves as .ppsx")
    by_extension = spoil(f'<Override PartName="/word/document.xml" ContentType="{WORD}"/>'.encode(), b"")
    genuine("default.docx", package(types=f'<Default Extension="XML" ContentType="{WORD}"/>', change=by_extension), "the main part has its content type by extension")
    genuine("late.docx", package(change=lambda e: e[::-1]), "the content types stand last")
    genuine("stored.docx", package(method=0), "stored")
    genuine("links.docx", package(relations=link("hyperlink", "https://example.com/") + link("image", "https://example.com/a.png", id="r8")
            + link("attachedTemplate", "file:///C:\\Users\\me\\letter.dotx", id="r7") + link("oleObject", "Book1.xlsx", id="r6")), "links, and files of whoever wrote it")
    genuine("case.docx", package(parts={b"WORD/_RELS/FONTS.XML.RELS": ""}), "names in another case")
    genuine("folders.docx", package(change=lambda e: [Entry(b"word/", b"")] + e), "entries of folders, as of an archive packed anew")
    genuine("chart.pptx", package(parts={b"ppt/charts/_rels/chart1.xml.rels": link("package", "../embeddings/Sheet1.xlsx", False)},
            types='<Override PartName="/ppt/charts/chart1.xml" ContentType="application/vnd.openxmlformats-officedocument.drawingml.chart+xml"/>', **presentation), "a chart with its workbook")


def zip_refused(add):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    one, two = Entry(b"one.txt"), Entry(b"two.txt", b"two" * 50, 8)
    good = archive(one, two)
    refused("program.zip", b"MZ" + bytes(70) + archive(one, before=bytes(72))[72:], "an archive that unpacks itself", "type_mismatch")
    refused("text.zip", b"hello, world\n", "a text named zip", "type_mismatch")
    refused("empty.zip", b"", "no bytes", "truncated")
    refused("half.zip", good[: len(good) // 2], "the first half", "truncated")
    refused("end-cut.zip", good[:-1], "the last byte is missing", "truncated")
    refused("comment-cut.zip", archive(one, comment=b"hello", end=dict(comment=9)), "a comment that is shorter than it says", "truncated")
    refused("comment-more.zip", archive(one, comment=b"hello" + PHP, end=dict(comment=5)), "a comment that is longer than it says", "trailing_data")
    refused("script-behind.zip", good + PHP, "a script behind it", "trailing_data")
    refused("two.zip", good + good, "two archives")
    refused("archive-in-comment.zip", archive(one, comment=archive(two)), "an archive in the comment: programs differ in which they see")
    refused("before.zip", archive(one, before=b"PK\3\4" + PHP), "a script before the first entry, behind a signature")
    refused("gap.zip", archive(one, two, between=PHP), "a script between the entries")
    refused("behind.zip", archive(one, behind=PHP), "a script behind the last entry")
    refused("unlisted.zip", archive(one, two, order=[0]), "an entry that is not in the directory")
    refused("overlap.zip", archive(one, two, at={1: 0}), "two names for one entry: overlap")
    refused("quoted.zip", archive(Entry(b"a", archive(two), central=dict(packed=5, size=5), local=dict(packed=5, size=5))), "an entry within another one's bytes")
    nested = archive(Entry(b"inner.txt", PHP))
    refused("inner.zip", archive(Entry(b"outer.zip", nested), Entry(b"inner.txt", PHP), at={1: 39}), "an entry that the directory places within another")
    for name in (b"/etc/passwd", b"../evil", b"a/../../evil", b"..\\evil", b"a/.. /.. /evil", b"C:evil", b"\\\\server\\evil", b"a\0b", b""):
        label = name.decode().replace("/", "_").replace("\\", "-").replace(":", "").replace("\0", "0").replace("..", "up").replace(" ", "-") or "none"
        refused(f"name{label}.zip", archive(Entry(name)), f"an entry named {name!r}")
    refused("long-name.zip", archive(Entry(b"n" * 4097)), "a name of 4,097 bytes")
    refused("twice.zip", archive(one, Entry(b"one.txt", b"other")), "one name twice")
    refused("twice-slashes.zip", archive(Entry(b"a/b"), Entry(b"a\\b")), "one name twice, with other separators")
    refused("twice-dot.zip", archive(Entry(b"a/b"), Entry(b"./a//b")), "one name twice, with a folder that is none")
    for label, other in (("up", "\u00fc/../../\u00fcne.txt"), ("root", "/tmp/one.txt"), ("other", "one.exe"), ("none", ""), ("end", "\u00fcne.exe"), ("folder", "two/\u00fcne.txt"), ("NUL", "one\0.txt")):
        refused(f"unicode-{label}.zip", archive(renamed(b"one.txt", other)), f"another name in Unicode: {other!r}")
    refused("unicode-twice.zip", archive(renamed(b"_1.txt", "\u00fc.txt"), renamed(b"_2.txt", "\u00fc.txt")), "one name in Unicode twice")
    several = renamed(b"one.txt", "one.txt")
    several.central_extra += renamed(b"one.txt", "\u00fcne.txt").extra + renamed(b"one.txt", "o\u00f1e.txt").extra
    refused("unicode-several.zip", archive(several), "two more names in Unicode")
    local = renamed(b"one.txt", "one.exe")
    local.central_extra = b""
    refused("unicode-local.zip", archive(local), "another name in Unicode in the local header alone")
    refused("link-through.zip", archive(Entry(b"a/b/c.txt"), linked(b"a/b", b"/tmp")), "an entry that leads through a symbolic link")
    refused("link-through-case.zip", archive(linked(b"a", b"/tmp"), Entry(b"A/c.txt")), "the same, where case is not told apart")
    refused("link-through-unicode.zip", archive(linked(b"\xc3\xbc", b"/tmp"), renamed(b"_/c.txt", "\u00fc/c.txt")), "the same, by a name in Unicode")
    refused("link-through-cp437.zip", archive(linked(b"\x81A", b"/tmp"), Entry(b"\x81a/c.txt")), "the same, in an old charset")
    for field, value in dict(name=b"two.txt", method=8, flags=1, crc=7, packed=12, size=12).items():
        refused(f"local-{field}.zip", archive(Entry(b"one.txt", local={field: value})), f"another {field} in the local header")
        refused(f"central-{field}.zip", archive(Entry(b"one.txt", central={field: value})), f"another {field} in the directory")
    refused("descriptor-missing.zip", archive(Entry(b"one.txt", flags=8), two), "a data descriptor that is not there")
    refused("descriptor-wrong.zip", archive(Entry(b"one.txt", flags=8, descriptor=struct.pack("<4sIII", b"PK\7\x08", 1, 13, 13))), "a data descriptor with another checksum")
    refused("descriptor-size.zip", archive(Entry(b"one.txt", flags=8, descriptor=struct.pack("<4sIQQ", b"PK\7\x08", zlib.crc32(b"hello, world\n"), 13, 12))), "a data descriptor with another size")
    refused("descriptor-long.zip", archive(Entry(b"one.txt", flags=8, descriptor=PHP)), "a script in the place of a data descriptor")
    refused("descriptor-unsigned.zip", archive(Entry(b"one.txt", flags=8, descriptor=b"<?ph" + struct.pack("<III", zlib.crc32(b"hello, world\n"), 13, 13))), "no signature before a data descriptor of 16 bytes")
    refused("central-signature.zip", good.replace(b"PK\1\2", b"PK\1\3"), "no directory where it should be")
    refused("local-signature.zip", archive(one, Entry(b"two.txt")).replace(b"PK\3\4", b"PK\3\5").replace(b"PK\3\5", b"PK\3\4", 1), "no entry where one should be")
    refused("count-more.zip", archive(one, two, count=3), "fewer entries than the end record says")
    refused("count-less.zip", archive(one, two, count=1), "more entries than the end record says")
    listed = archive(one)
    refused("directory-more.zip", listed[:-22] + PHP + listed[-22:-10] + (int.from_bytes(listed[-10:-6], "little") + len(PHP)).to_bytes(4, "little") + listed[-6:], "a script behind the entries of the directory")
    refused("start.zip", archive(one, two, end=dict(start=9)), "a directory elsewhere")
    refused("size.zip", archive(one, two, end=dict(size=46)), "a directory of another size")
    refused("part.zip", archive(one, end=dict(disk=1)), "one of several parts")
    refused("zip64-lack.zip", archive(Entry(b"one.txt", central=dict(size=0xFFFFFFFF))), "a ZIP64 size that is not there")
    long = struct.pack("<HHQQ", 1, 17, 13, 13)
    refused("zip64-long.zip", archive(Entry(b"one.txt", central_extra=long, central=dict(packed=0xFFFFFFFF, size=0xFFFFFFFF))), "ZIP64 sizes in a field that is longer than its room")
    for field, value in dict(count=7, size=7, start=7, record=7, length=45, disks=2).items():
        refused(f"zip64-{field}.zip", archive(one, wide={field: value}), f"a ZIP64 record with another {field}")
    refused("zip64-huge.zip", archive(one, wide=dict(record=2**63 + 5)), "a ZIP64 record beyond everything")
    hidden = Entry(b"hidden.txt")
    last = hidden.written() + hidden.listed(len(one.written() + one.listed(0)) + 56)
    second = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(hidden.listed(0)), len(one.written() + one.listed(0)) + 56 + len(hidden.written()))
    sector = bytearray(archive(one, wide=dict(length=44 + len(last + second)), end=dict(count=0xFFFF, size=0xFFFFFFFF, start=0xFFFFFFFF)))
    sector[-42:-42] = last + second
    refused("zip64-sector.zip", bytes(sector), "a ZIP64 record with a second one behind it, which Python reads, and its own directory")
    for label, extra in dict(twice=struct.pack("<HHQHHQ", 1, 8, 0, 1, 8, 77), back=struct.pack("<HHQHHQ", 1, 8, 77, 1, 8, 0), all=struct.pack("<HHQQQI", 1, 28, 0, 13, 77, 0)).items():
        wide = bytearray(archive(Entry(b"one.txt", central_extra=extra)))
        struct.pack_into("<I", wide, wide.index(b"PK\1\2") + 42, 0xFFFFFFFF)
        refused(f"zip64-place-{label}.zip", bytes(wide), "two places in ZIP64 fields, of which programs take one or the other")
    refused("strong.zip", archive(Entry(b"one.txt", flags=1 | 64)), "strong encryption, which hides names")
    refused("method.zip", archive(Entry(b"one.txt", method=77)), "a method that does not exist")
    refused("stored-size.zip", archive(Entry(b"one.txt", local=dict(size=99), central=dict(size=99))), "stored bytes that would be more when unpacked")
    refused("ratio.zip", archive(Entry(b"one.txt", b"x", 8, local=dict(size=10**6), central=dict(size=10**6))), "more than Deflate can unpack to")
    big = [Entry(b"%d" % n, bytes(1), 9, local=dict(size=10**9), central=dict(size=10**9)) for n in range(3)]
    refused("bomb.zip", archive(*big), "three gigabytes when unpacked", "not_allowed")
    refused("many.zip", archive(one, wide=dict(count=65_536), end=dict(count=0xFFFF)), "more entries than are taken", "not_allowed")
    refused("large-directory.zip", archive(one, end=dict(size=16 << 20 | 1)), "a directory larger than is taken", "not_allowed")


def office_refused(add):
    def refused(name, data, how, verdict="not_allowed"):
        add(name, data, how, verdict)

    for extension, main, name in OFFICE:
        def spoilt(label, how, verdict="corrupt", **options):
            refused(f"{label}.{extension}", package(main, name, **options), how, verdict)

        spoilt("overlap", "two parts at one place", at={2: 0})
        spoilt("size", "a part that is smaller than the directory says", change=lambda e: e[:2] + [Entry(e[2].name, b"<a/>", central=dict(packed=400, size=400))])
        spoilt("gap", "a script between two parts", between=PHP)
        refused(f"script-behind.{extension}", package(main, name) + PHP, "a script behind it", "trailing_data")
        if extension != "docx":
            refused(f"archive.{extension}", archive(Entry(b"one.txt")), f"an archive named {extension}", "type_mismatch")
            refused(f"half.{extension}", package(main, name)[:300], "the first half", "truncated")
    refused("archive.docx", archive(Entry(b"one.txt")), "an archive named docx", "type_mismatch")
    refused("sheet.docx", package(SHEET), "a workbook named docx", "type_mismatch")
    refused("document.xlsx", package(), "a document named xlsx", "type_mismatch")
    refused("document.pptx", package(), "a document named pptx", "type_mismatch")
    refused("template.docx", package(WORD.replace("document.main", "template.main")), "a template named docx", "type_mismatch")
    refused("no-main.docx", package(change=lambda e: [x for x in e if x.name != b"_rels/.rels"]), "no relationships", "type_mismatch")
    refused("password.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "a document with a password, or an old one", "type_mismatch")
    refused("half.docx", package()[:300], "the first half", "truncated")
    refused("two-mains.docx", package(root=link("officeDocument", "word/other.xml", False)), "two main parts", "corrupt")
    refused("twice.docx", package(change=lambda e: e + [Entry(b"[content_types].XML", zlib.decompress(e[0].packed, -15), 8)]), "content types twice, in another case", "corrupt")
    refused("encrypted.docx", package(change=lambda e: [Entry(b"word/secret.xml", flags=1)] + e), "an encrypted part", "corrupt")
    refused("method.docx", package(change=lambda e: [Entry(b"word/lzma.xml", method=14)] + e), "a part by LZMA", "corrupt")
    refused("no-xml.docx", package(change=spoil(b"</Types>", b"")), "content types that do not end", "corrupt")
    refused("dtd.docx", package(change=spoil(b"<Types", b'<!DOCTYPE a [<!ENTITY b "c">]><Types')), "content types with a DTD", "corrupt")
    refused("deep.docx", package(types="<a>" * 16 + "</a>" * 16), "content types with elements in elements", "corrupt")
    refused("utf16.docx", package(change=lambda e: [Entry(x.name, zlib.decompress(x.packed, -15).decode().encode("utf-16") if x.name[:1] == b"[" else b"<a/>", 8) for x in e]), "content types in UTF-16", "corrupt")
    damaged = lambda how: lambda e: [how(e[0])] + e[1:]
    content = b"<Types/>" * 9
    refused("deflate.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, packed=b"\xff" * 30))), "content types that cannot be unpacked", "corrupt")
    cut = zlib.compress(content, wbits=-15)
    refused("deflate-cut.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, packed=cut[:-2]))), "content types whose packed bytes end early", "corrupt")
    refused("deflate-behind.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, packed=cut + PHP))), "a script behind the packed content types", "corrupt")
    refused("deflate-more.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, local=dict(size=8), central=dict(size=8)))), "content types that unpack to more", "corrupt")
    refused("deflate-less.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, local=dict(size=99), central=dict(size=99)))), "content types that unpack to less", "corrupt")
    refused("deflate-sum.docx", package(change=damaged(lambda e: Entry(e.name, content, 8, local=dict(crc=1), central=dict(crc=1)))), "content types with another checksum", "corrupt")
    refused("large-part.docx", package(parts={b"word/_rels/fonts.xml.rels": "<!--" + "x" * (1 << 20) + "-->"}), "relationships of more than 1 MiB")
    refused("large-parts.docx", package(parts={b"word/_rels/%d.xml.rels" % n: "<!--" + "x" * 1_000_000 + "-->" for n in range(5)}), "relationships of more than 4 MiB together")
    refused("elements.docx", package(parts={b"word/_rels/a.xml.rels": "<a/>" * 40_000}), "relationships of more than 40,000 elements", "corrupt")
    refused("attributes.docx", package(parts={b"word/_rels/a.xml.rels": "<a " + 'b="" ' * 40_100 + "/>"}), "an element of 40,100 attributes", "corrupt")
    override = lambda kind: f'<Override PartName="/word/a.bin" ContentType="application/{kind}"/>'
    refused("macros.docx", package(types=override("vnd.ms-office.vbaProject")), "macros by their content type")
    refused("macros-main.docx", package("application/vnd.ms-word.document.macroEnabled.main+xml"), "a document with macros named docx")
    refused("macros-relation.docx", package(relations=link("vbaProject", "a.bin", False)), "macros by their relationship")
    refused("macro-sheet.xlsx", package(SHEET, name="xl/workbook.xml", types=override("vnd.ms-excel.macrosheet+xml")), "an Excel 4 macro sheet")
    refused("macro-sheet-relation.xlsx", package(SHEET, name="xl/workbook.xml", relations=link("xlMacrosheet", "a.xml", False)), "an Excel 4 macro sheet by its relationship")
    for kind, target in (("attachedTemplate", "https://example.com/a.dotm"), ("attachedTemplate", "file:///\\\\server\\a.dotm"), ("attachedTemplate", "file:////server/a.dotm"),
                         ("attachedTemplate", "\\\\server\\a.dotm"), ("attachedTemplate", "%5C%5Cserver%5Ca.dotm"), ("oleObject", "mhtml:https://example.com/a!b"),
                         ("frame", "https://example.com/"), ("subDocument", "https://example.com/a.docx"), ("aFChunk", "https://example.com/a")):
        number = sum(map(ord, target)) % 997
        refused(f"external-{kind}-{number}.docx", package(relations=link(kind, target)), f"{kind} from {target}")
    for label, target in (("address", "https://example.com/a.dotm"), ("share", "\\\\server\\a.dotm")):
        refused(f"internal-{label}.docx", package(relations=link("attachedTemplate", target, False)), f"a template from {target}, said to be in the document")
    refused("external-case.docx", package(relations=link("attachedTemplate", "https://example.com/a").replace('"External"', '" external "')), "an external template, its mode in another case")
    refused("external-namespace.docx", package(relations=link("attachedTemplate", "https://example.com/a").replace(" Type=", f' x:Type="{RELATION}hyperlink" Type=')), "an external template, with a type of another namespace")
    for kind in ("oleObject", "package", "control", "aFChunk", "activeXControlBinary"):
        refused(f"embedded-{kind}.docx", package(relations=link(kind, "embeddings/a.bin", False)), f"an embedded object: {kind}")
    refused("embedded-behind.docx", package(change=lambda e: e[::-1], relations=link("oleObject", "a.bin", False)), "an embedded object, the relationships before the content types")
    refused("embedded-as-chart.docx", package(parts={b"word/charts/_rels/slide.xml.rels": link("package", "a.docx", False)}), "an embedded document of a part in the charts' folder")
