"""PDF documents: of many programs, edited as other programs leave them, and spoiled."""
import io

import fpdf
import pypdf
from reportlab.pdfgen import canvas

from archives import Entry, archive
from genuine import run

PHP = b"<?php system($_GET['c']); ?>"


class Document:
    """A small document whose places are computed: objects, then sections that are added with add()."""

    def __init__(self, head=b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", base=0):
        self.data, self.base, self.places = head, base, {}
        self.object(1, b"<</Type/Catalog/Pages 2 0 R>>")
        self.object(2, b"<</Type/Pages/Kids[]/Count 0>>")
        self.last = None

    def object(self, number, content):
        self.places[number] = len(self.data) - self.base
        self.data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
        return self

    def table(self, keys=b"", root=b"/Root 1 0 R", line=b" \n", words=b"xref\n", first=0, entries=None, trailer=b"trailer\n"):
        at = len(self.data) - self.base
        if entries is None:
            entries = [b"%010d %05d %s" % (place, 0, b"n") for place in [self.places[n] for n in sorted(self.places)]]
            entries = [b"0000000000 65535 f"] + entries
        prev = b"" if self.last is None else b"/Prev %d" % self.last
        self.data += words + b"%d %d\n" % (first, len(entries)) + b"".join(e + line for e in entries)
        self.data += trailer + b"<</Size %d%s%s%s>>\n" % (len(self.places) + 1, root, prev, keys)
        self.last = at
        return self

    def stream(self, keys=b"", number=9, kind=b"/Type/XRef/W[1 2 1]", root=b"/Root 1 0 R"):
        at = len(self.data) - self.base
        prev = b"" if self.last is None else b"/Prev %d" % self.last
        content = bytes(4 * 10)
        self.data += b"%d 0 obj\n<<%s/Size 10/Length %d%s%s%s>>stream\n%s\nendstream\nendobj\n" % (number, kind, len(content), root, prev, keys, content)
        self.last = at
        return self

    def end(self, at=None, words=b"startxref\n%d\n%%%%EOF\n"):
        self.data += words % (self.last if at is None else at) if b"%d" in words else words
        return self


def saved(write):
    b = io.BytesIO()
    write(b)
    return b.getvalue()


def drawn():
    def write(b):
        c = canvas.Canvas(b, invariant=1)
        c.drawString(72, 720, "hello, world")
        c.showPage()
        c.save()
    return saved(write)


def make(add, work, here):
    genuine(add, work)
    edited(add)
    refused_by_us(add)


def genuine(add, work):
    def ok(name, data, how):
        add(name, data, how, size="0x0")

    plain = drawn()
    (work / "s.pdf").write_bytes(plain)
    ok("reportlab.pdf", plain, "ReportLab")
    page = fpdf.FPDF()
    page.add_page()
    page.set_font("helvetica")
    page.text(20, 20, "hello, world")
    ok("fpdf2.pdf", bytes(page.output()), "fpdf2")
    writer = pypdf.PdfWriter(io.BytesIO(plain), incremental=True)
    writer.add_metadata({"/Title": "again"})
    ok("pypdf-again.pdf", saved(writer.write), "pypdf: changed, and saved to the end")
    writer = pypdf.PdfWriter(io.BytesIO(plain))
    writer.add_attachment("note.txt", b"hello")
    writer.encrypt("secret", algorithm="RC4-128")
    ok("pypdf-encrypted.pdf", saved(writer.write), "pypdf: encrypted, with an attachment")
    (work / "s.ps").write_text("%!PS\n/Helvetica findfont 12 scalefont setfont 72 720 moveto (hello) show showpage\n")
    for name, how, command in (
            ("qpdf.pdf", "qpdf", "qpdf --static-id s.pdf OUT"),
            ("qpdf-linearized.pdf", "qpdf, linearized", "qpdf --static-id --linearize s.pdf OUT"),
            ("qpdf-streams.pdf", "qpdf, objects in streams: a cross-reference stream", "qpdf --static-id --object-streams=generate s.pdf OUT"),
            ("qpdf-linearized-streams.pdf", "qpdf, linearized, with cross-reference streams", "qpdf --static-id --linearize --object-streams=generate s.pdf OUT"),
            ("qpdf-encrypted.pdf", "qpdf, encrypted (AES)", "qpdf --static-id --static-aes-iv --encrypt a b 256 -- s.pdf OUT"),
            ("ghostscript.pdf", "Ghostscript", "gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -dEmbedAllFonts=false -sOutputFile=OUT s.ps"),
            ("gm.pdf", "GraphicsMagick", "gm convert -size 3x2 xc:red OUT")):
        run("sh", "-c", command.replace("OUT", name), cwd=work)
        ok(name, (work / name).read_bytes(), how)


def edited(add):
    def ok(name, data, how):
        add(name, data, how, size="0x0")

    ok("own.pdf", Document().table().end().data, "written by hand, as small as one can be")
    ok("own-stream.pdf", Document().stream().end().data, "a cross-reference stream")
    hybrid = Document().stream()
    beside, hybrid.last = hybrid.last, None
    ok("hybrid.pdf", hybrid.table(b"/XRefStm %d" % beside).end().data, "a table, and a stream beside it for newer programs")
    many = Document().table().end()
    for n in range(9):
        many.object(3, b"(change %d)" % n).table().end()
    ok("changed.pdf", many.data, "nine changes, each saved to the end")
    ok("changed-stream.pdf", Document().table().end().object(3, b"()").stream().end().data, "a change with a stream to a document with a table")
    ok("blanks-before.pdf", Document(b"\r\n \t%PDF-1.4\n").table().end().data, "blanks before the header")
    ok("blanks-relative.pdf", Document(b"\n\n%PDF-1.4\n", base=2).table().end().data, "blanks before the header, from which the places count")
    ok("byte-order-mark.pdf", Document(b"\xef\xbb\xbf%PDF-1.4\n").table().end().data, "a byte order mark before the header")
    ok("blanks-most.pdf", Document(b" " * 1019 + b"%PDF-1.4\n").table().end().data, "the header ends within the first 1,024 bytes")
    ok("behind-none.pdf", Document().table().end(words=b"startxref\n%d\n%%%%EOF").data, "no line end behind it")
    ok("behind-blanks.pdf", Document().table().end().data + b"\r\n\r\n \t\n\0\0\0", "line ends, blanks and zeros behind it")
    ok("behind-zeros.pdf", Document().table().end().data + bytes(1020), "zeros behind it, to the end of a block")
    ok("lines-mac.pdf", Document().table(line=b" \r", words=b"xref\r").end(words=b"startxref\r%d\r%%%%EOF\r").data, "line ends as old Macs have them")
    ok("lines-short.pdf", Document().table(line=b"\n").end().data, "entries of 19 bytes")
    ok("line-before.pdf", Document().end(0, b"\n").table().end().data, "a blank line before the table")
    padded = Document()
    ok("start-early.pdf", padded.end(0, b"\r\n").table().end(padded.last - 2).data, "startxref leads to the line end before the table")
    ok("comment.pdf", Document().table(trailer=b"trailer % (a comment >>\n").end().data, "a comment in the trailer")
    ok("strings.pdf", Document().table(b"/ID[<00ff><11>]/Title(a \\) ( >> ) b)/Info<</A[1[/Prev 5]]/Prev 7/B<3e3e>>>/Encrypt null").end().data, "a trailer with all that one can have")
    ok("empty-table.pdf", Document().table().end().table(entries=[], words=b"xref\n").end().data, "a change without entries")


def refused_by_us(add):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    good = Document().table().end().data
    refused("text.pdf", b"hello, world\n", "a text named pdf", "type_mismatch")
    refused("empty.pdf", b"", "no bytes", "truncated")
    refused("half-signature.pdf", b"%PD", "half a signature", "truncated")
    refused("half.pdf", good[: len(good) // 2], "the first half", "truncated")
    refused("end-cut.pdf", good[:-2], "the last letter is missing", "truncated")
    refused("junk-before.pdf", b"SomeData\n" + good, "something before the header", "type_mismatch")
    refused("late.pdf", b" " * 1030 + good, "blanks before the header, to behind the first 1,024 bytes", "type_mismatch")
    refused("program.pdf", b"MZ" + bytes(60) + good, "a program before the header", "type_mismatch")
    refused("html.pdf", b"<html><!--" + good + b"--></html>", "a page around a document", "type_mismatch")
    refused("script-behind.pdf", good + PHP, "a script behind it", "trailing_data")
    refused("page-behind.pdf", good + b"<!DOCTYPE html><p>Served by</p>\n", "a page behind it, as a broken server adds", "trailing_data")
    refused("far-behind.pdf", good + bytes(900) + PHP, "a script behind it and zeros", "trailing_data")
    refused("no-start.pdf", Document().table().end(words=b"%%EOF\n").data, "no startxref")
    refused("start-words.pdf", Document().table().end(words=b"startxref\noops\n%%EOF\n").data, "no number behind startxref")
    refused("start-negative.pdf", Document().table().end(-5).data, "a negative place")
    refused("start-more.pdf", Document().table().end(words=b"startxref\n9 9\n%%EOF\n").data, "two numbers behind startxref")
    refused("start-zero.pdf", Document().table().end(0).data, "startxref leads to the header")
    refused("start-object.pdf", Document().table().end(15).data, "startxref leads to an object that is no cross-reference stream")
    refused("start-beyond.pdf", Document().table().end(10**6).data, "startxref leads behind the end")
    refused("start-huge.pdf", Document().table().end(2**63 + 9).data, "startxref is larger than any file")
    refused("start-off.pdf", Document().table().end(Document().table().last + 1).data, "startxref leads into the word")
    refused("no-root.pdf", Document().table(root=b"").end().data, "a trailer without the document")
    refused("no-trailer.pdf", Document().table(trailer=b"").end().data, "a table without a trailer")
    refused("trailer-open.pdf", good.replace(b"R>>\nstart", b"R\nstart"), "a trailer that does not end")
    refused("string-open.pdf", Document().table(b"/Title(").end().data, "a string in the trailer that does not end")
    refused("hex-open.pdf", Document().table(b"/ID<00").end().data.replace(b">>\nstart", b"\nstart"), "a hexadecimal string that does not end")
    refused("brackets.pdf", Document().table(b"/A{}").end().data, "brackets that documents do not have")
    refused("entries-words.pdf", Document().table(entries=[b"0000000000 65535 f", PHP]).end().data, "a script among the entries")
    refused("entries-few.pdf", good.replace(b"0 3\n", b"0 9\n"), "fewer entries than the table says")
    refused("entries-huge.pdf", good.replace(b"0 3\n", b"0 99999999999\n"), "more entries than a number can say")
    refused("stream-size.pdf", Document().stream().end().data.replace(b"/Size", b"/Sise"), "a cross-reference stream without a size")
    refused("stream-none.pdf", Document().stream().end().data.replace(b">>stream", b">>strewn"), "a cross-reference stream that is none")
    loop = Document().table(b"/Prev 99")
    refused("loop-self.pdf", loop.end().data.replace(b"/Prev 99", b"/Prev %d" % loop.last), "a section that leads to itself")
    there = Document().table(b"/Prev 999").end().table().end()
    refused("loop.pdf", there.data.replace(b"/Prev 999", b"/Prev %d" % there.last), "two sections that lead to each other")
    refused("prev-beyond.pdf", Document().table(b"/Prev 99999").end().data, "an older section behind the end")
    refused("prev-inside.pdf", Document().table().end().table(b"/Prev 0").end().data.replace(b"/Prev 0", b"/Prev %d" % (good.index(b"xref") + 9)), "an older section that begins within another")
    refused("prev-negative.pdf", Document().table(b"/Prev -5").end().data, "an older section before the beginning")
    refused("prev-damaged.pdf", Document().end(0, b"xref\n0 1\noops\n").table(b"/Prev %d" % len(Document().data)).end().data, "an older section that is damaged")
    refused("hybrid-damaged.pdf", Document().table(b"/XRefStm 20").end().data, "no stream beside the table, where it should be")
    embedded = archive(Entry(b"evil.txt"))
    comment = Document().object(3, b"<</Length %d>>stream\n%s\nendstream" % (len(embedded), embedded)).table().end().data
    at = comment.index(b"PK\5\6")
    refused("archive.pdf", comment[: at + 20] + (len(comment) - at - 22).to_bytes(2, "little") + comment[at + 22 :], "a ZIP archive, too: the rest is its comment")
    add("archive-inside.pdf", comment, "a ZIP archive in an object, as attachments may be", size="0x0")
