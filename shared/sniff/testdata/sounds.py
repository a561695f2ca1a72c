"""WAV sounds and texts: of many programs, edited as other programs leave them, and spoiled."""
import csv
import io
import struct
import wave

import numpy
import scipy.io.wavfile
import soundfile

from archives import libreoffice
from genuine import run

PHP = b"<?php system($_GET['c']); ?>"
SAMPLES = numpy.sin(numpy.arange(60) / 3).astype("float32")


def chunk(name, content, size=None, pad=b"\0"):
    return name + struct.pack("<I", len(content) if size is None else size) + content + (pad if len(content) % 2 else b"")


def riff(*chunks, size=None, form=b"WAVE", kind=b"RIFF"):
    body = form + b"".join(chunks)
    return kind + struct.pack("<I", len(body) if size is None else size) + body


FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
DATA = chunk(b"data", bytes(range(40)))


def make(add, work, here):
    sounds(add, work)
    sounds_refused(add)
    texts(add, work)
    texts_refused(add)


def sounds(add, work):
    def ok(name, data, how):
        add(name, data, how, size="0x0")

    pcm = (SAMPLES * 30000).astype("<i2")
    b = io.BytesIO()
    with wave.open(b, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(8000), w.writeframes(pcm.tobytes())
    ok("python.wav", b.getvalue(), "Python's wave")
    (work / "s.wav").write_bytes(b.getvalue())
    scipy.io.wavfile.write(work / "scipy.wav", 8000, SAMPLES)
    ok("scipy.wav", (work / "scipy.wav").read_bytes(), "SciPy, floating point")
    soundfile.write(work / "sndfile.wav", SAMPLES, 8000, subtype="PCM_24", format="WAVEX")
    ok("sndfile.wav", (work / "sndfile.wav").read_bytes(), "libsndfile, 24 bits, an extensible format")
    for name, how, command in (
            ("ffmpeg.wav", "FFmpeg", "ffmpeg -y -i s.wav OUT"),
            ("ffmpeg-pipe.wav", "FFmpeg into a pipe: sizes are 0xFFFFFFFF", "ffmpeg -i s.wav -f wav - | cat > OUT"),
            ("ffmpeg-adpcm.wav", "FFmpeg, ADPCM", "ffmpeg -y -i s.wav -c:a adpcm_ms OUT"),
            ("sox.wav", "SoX, 8 bits, an odd number of samples", "sox s.wav -b 8 OUT trim 0 59s"),
            ("sox-pipe.wav", "SoX into a pipe: sizes are of 2 GiB", "sox s.wav -t wav - | cat > OUT")):
        run("sh", "-c", command.replace("OUT", name), cwd=work)
        ok(name, (work / name).read_bytes(), how)
    info = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"me"))
    ok("own.wav", riff(FORMAT, DATA), "written by hand, as small as one can be")
    ok("chunks.wav", riff(chunk(b"bext", bytes(602)), FORMAT, chunk(b"fact", bytes(4)), DATA, info, chunk(b"id3 ", b"ID3odd.")), "notes of many kinds, one of an odd size")
    ok("odd.wav", riff(FORMAT, chunk(b"data", b"odd"), info), "an odd number of samples, and a chunk behind them")
    ok("odd-unpadded.wav", riff(FORMAT, chunk(b"data", b"odd", pad=b""), info), "an odd number of samples without the zero behind them")
    ok("odd-end.wav", riff(FORMAT, chunk(b"data", b"odd", pad=b"")), "an odd number of samples at the end, without the zero")
    ok("size-less.wav", riff(FORMAT, DATA, size=60), "the size of the whole is somewhat too small")
    ok("size-file.wav", riff(FORMAT, DATA, size=len(riff(FORMAT, DATA))), "the size of the whole is that of the file")
    ok("open.wav", riff(FORMAT, chunk(b"data", bytes(30), size=0), size=0), "sizes of 0, as a recorder leaves them that was switched off")
    ok("open-small.wav", riff(FORMAT, chunk(b"data", bytes(range(1, 31)), size=0), size=8), "sizes of 8 and 0, as libsndfile begins a file that it may never close")
    ok("open-wrapped.wav", riff(FORMAT, chunk(b"data", bytes(range(1, 31)), size=2**32 - 44), size=8), "sizes that together are 4 GiB, as a program that writes into a pipe leaves them")
    ok("tags-behind.wav", riff(FORMAT, DATA) + info + chunk(b"id3 ", b"ID3odd."), "tags behind the size of the whole, as programs append them without counting")
    ok("none.wav", riff(FORMAT, chunk(b"data", b"")), "no samples")


def sounds_refused(add):
    def refused(name, data, how, verdict="corrupt"):
        add(name, data, how, verdict)

    good = riff(FORMAT, DATA)
    refused("text.wav", b"hello, world\n", "a text named wav", "type_mismatch")
    refused("webp.wav", riff(chunk(b"VP8 ", bytes(20)), form=b"WEBP"), "a WebP named wav", "type_mismatch")
    refused("rf64.wav", riff(chunk(b"ds64", bytes(28)), FORMAT, DATA, kind=b"RF64"), "the form for more than 4 GB", "type_mismatch")
    refused("rifx.wav", riff(FORMAT, DATA, kind=b"RIFX"), "the form of old Macs", "type_mismatch")
    refused("empty.wav", b"", "no bytes", "truncated")
    refused("half-signature.wav", good[:9], "half a signature", "truncated")
    for n in (12, 20, 30, 36, 44, 60):
        refused(f"cut-{n}.wav", good[:n], f"the first {n} bytes", "truncated")
    refused("no-data.wav", riff(FORMAT, chunk(b"LIST", b"INFO")), "no samples", "truncated")
    refused("no-format.wav", riff(DATA), "no format")
    refused("format-behind.wav", riff(FORMAT, DATA, FORMAT), "a second format behind the samples")
    refused("two-formats.wav", riff(FORMAT, FORMAT, DATA), "two formats")
    refused("two-data.wav", riff(FORMAT, DATA, DATA), "samples twice")
    refused("format-short.wav", riff(chunk(b"fmt ", bytes(14)), DATA), "a format that is too short")
    refused("format-long.wav", riff(chunk(b"fmt ", bytes(5000)), DATA), "a format that is too long")
    for n, what in ((0, "coding"), (2, "channels"), (4, "rate"), (12, "block")):
        content = bytearray(FORMAT[8:])
        content[n : n + (4 if n == 4 else 2)] = bytes(4 if n == 4 else 2)
        refused(f"format-{what}.wav", riff(chunk(b"fmt ", bytes(content)), DATA), f"a format whose {what} is 0")
    refused("chunk-long.wav", riff(FORMAT, chunk(b"LIST", b"INFO", size=10**6), DATA), "a note that is longer than the file", "truncated")
    refused("data-long.wav", riff(FORMAT, chunk(b"data", bytes(9), size=10**6)), "samples that are longer than the file", "truncated")
    refused("script-behind.wav", good + PHP, "a script behind it", "trailing_data")
    refused("tags-long.wav", good + chunk(b"id3 ", b"ID3", size=30), "a tag behind it that is longer than the file", "truncated")
    refused("script-tags.wav", good + chunk(b"LIST", b"INFO") + PHP, "a script behind a tag behind it", "trailing_data")
    refused("two.wav", good + good, "two sounds", "trailing_data")
    refused("html.wav", good + b"<html><script>alert(1)</script>", "a page behind it", "trailing_data")


def texts(add, work):
    def ok(name, data, how):
        add(name, data, how, size="0x0")

    b = io.StringIO()
    csv.writer(b).writerows([["name", "city"], ["Jürgen", "Łódź"], ['say "hi"', "a\nb"]])
    ok("python.csv", b.getvalue().encode(), "Python's csv")
    ok("excel.csv", b"\xef\xbb\xbf" + "name;city\r\nJürgen;Köln\r\n".encode(), "as Excel saves CSV UTF-8: with a byte order mark")
    (work / "s.csv").write_text("a,b\n1,2\n")
    (work / "s.txt").write_text("# Größe\n\n- one\n- two\n")
    for name, how, command in (
            ("gnumeric.csv", "Gnumeric", "ssconvert s.csv OUT"),
            ("libreoffice.csv", "LibreOffice", libreoffice("csv:'Text - txt - csv (StarCalc)':59,34,76", "s.csv")),
            ("libreoffice.txt", "LibreOffice, with a byte order mark", libreoffice("'txt:Text (encoded):UTF8'", "s.txt")),
            ("pandoc.txt", "pandoc", "pandoc -f markdown -t plain -o OUT s.txt"),
            ("abiword.txt", "AbiWord", "abiword --to=txt -o OUT s.txt")):
        run("sh", "-c", command.replace("OUT", name), cwd=work)
        ok(name, (work / name).read_bytes(), how)
    ok("filemaker.csv", b'"one\x0btwo","a\x1db"\r"1","2"\r', "as FileMaker exports: 0x0b ends the lines in a cell, 0x1d parts the values of one")
    ok("dos.csv", b"a,b\r\n1,2\r\n\x1a", "as DOS ends a text: with 0x1a")
    for name, head in (("ftype", b"fid,ftype,name"), ("mdate", b"day,mdate,name"), ("wave", b"station,WAVE,name")):
        ok(f"{name}.csv", head + b"\n1,2,3\n", f"a table whose heading has the letters of another type at their place: {name}")
    ok("ascii.txt", b"hello, world\n", "ASCII")
    ok("notepad.txt", b"\xef\xbb\xbfhello\r\nworld", "as Notepad saves UTF-8: with a byte order mark, and no line end")
    ok("many.txt", "Ελληνικά עברית 日本語 🙂\u202eabc\u202c\tend\f\n".encode(), "many scripts")
    ok("markdown.txt", b"# Title\n\nA page begins with `<!DOCTYPE html>` or <html>.\n<script>alert(1)</script>\n", "a text about markup")
    ok("arrow.txt", b"<- an arrow, <email@example.com>, <3\n", "a text that begins with a bracket")
    ok("words.txt", b"MZ, BM and GIF are letters\n", "a text whose first letters are those of programs")
    ok("json.txt", b'{"error": "none"}\n', "JSON")
    ok("long-line.txt", b"x" * 5000, "one long line")


def texts_refused(add):
    def refused(name, data, how, verdict="type_mismatch"):
        add(name, data, how, verdict)

    refused("page.txt", b"<!DOCTYPE html><p>hello", "a page named txt")
    refused("page-blanks.txt", b"\xef\xbb\xbf \r\n\t<HTML><p>hello", "a page behind blanks")
    refused("comment.txt", b"<!-- --><script>alert(1)</script>", "a page that begins with a comment")
    for tag in (b"script", b"iframe", b"h1", b"div", b"a href=x", b"b", b"p", b"body", b"img src=x onerror=alert(1)", b"svg", b"style"):
        label = tag.decode().split()[0]
        refused(f"tag-{label}.txt", b"<" + tag + b">hello", f"a page that begins with {label}")
    refused("svg.csv", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG named csv")
    refused("xml.txt", b"<?xml version='1.0'?><a/>", "XML")
    refused("php.txt", PHP, "a PHP script")
    refused("shell.txt", b"#!/bin/sh\n", "a shell script")
    refused("document.txt", b"%PDF-1.4\n1 0 obj\n", "a PDF document in ASCII")
    refused("document-blanks.txt", b"\n \t%PDF-1.4\n1 0 obj\n", "a PDF document behind blanks")
    refused("postscript.txt", b"%!PS-Adobe-3.0\n", "a PostScript document")
    refused("postscript-wave.txt", b"%!PS    WAVE\n", "a PostScript document with the letters of a sound at their place")
    refused("rtf-ftyp.txt", b"{\\rtftypisom\n", "an RTF document with the letters of a video at their place")
    refused("picture.txt", b"GIF89a", "the beginning of a picture")
    refused("pointer.csv", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer")
    refused("zero.txt", b"hello\0world", "a zero byte")
    refused("escape.txt", b"\x1b]0;title\x07", "control characters for a terminal")
    refused("wide-page.txt", "\ufeff<html>".encode("utf-16-le"), "a page in UTF-16")
    refused("zero-late.txt", b"hello " * 300 + b"\0", "a zero byte behind the beginning", "corrupt")
    refused("escape-late.csv", b"a,b\n" * 300 + b"\x1b[31m", "a control character behind the beginning", "corrupt")
    refused("latin.txt", "grüße\n".encode("latin-1"), "Latin-1", "corrupt")
    refused("latin-end.txt", "abcdefgü".encode("latin-1"), "Latin-1 in the last byte", "corrupt")
    refused("utf16.txt", "\ufeffhello".encode("utf-16-le"), "UTF-16", "corrupt")
    refused("utf16-big.csv", "\ufeffa,b".encode("utf-16-be"), "UTF-16, big endian", "corrupt")
    refused("overlong.txt", b"hello \xc0\xaf", "an overlong form of UTF-8", "corrupt")
    refused("surrogate.txt", b"hello \xed\xa0\x80", "half a pair in UTF-8", "corrupt")
