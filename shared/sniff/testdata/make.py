"""Makes the pictures of this folder and manifest.tsv. make.sh installs what it needs and runs it.

genuine.py calls the encoders, edited.py and refused.py edit and spoil what they made; webp.py does both for WebP, isobmff.py for
HEIC, AVIF, MP4, QuickTime and M4A; archives.py, pdfs.py and sounds.py (texts, too) for the types that they are named after;
polyglots.py makes files of two types, cuts.py files that are cut. All add files through add() below.
"""
import os
import pathlib
import shutil
import tempfile

import archives
import cuts
import edited
import genuine
import pdfs
import polyglots
import refused
import sounds

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = ("genuine", "refused")
LICENCE = "Apache-2.0 (made by make.sh from a picture that genuine.py computes)"


def main():
    rows = {}

    def add(name, data, how, verdict="ok", size="-"):
        """Writes a file and its row. size is WxH as the picture declares it, or what reads that off it, of those that pass."""
        if name in rows:
            raise SystemExit(f"{name} is made twice")
        file = ("genuine/" if verdict == "ok" else "refused/") + name
        (made / file).write_bytes(data)
        rows[name] = (file, how, LICENCE, verdict, size(data) if callable(size) else size)

    work, made = pathlib.Path(tempfile.mkdtemp()), pathlib.Path(tempfile.mkdtemp())
    try:
        os.chdir(work)
        for folder in FOLDERS:
            (made / folder).mkdir()
        genuine.make(add, work, HERE)
        edited.make(add, made / "genuine")
        refused.make(add, made / "genuine")
        for other in (archives, pdfs, sounds):
            other.make(add, work, HERE)
        for last in (polyglots, cuts):
            last.make(add, made / "genuine")
        for folder in FOLDERS:  # only now: a run that fails leaves the samples as they were
            shutil.rmtree(HERE / folder, ignore_errors=True)
            shutil.move(made / folder, HERE / folder)
    finally:
        shutil.rmtree(work)
        shutil.rmtree(made)
    lines = sorted("\t".join(row) for row in rows.values())
    (HERE / "manifest.tsv").write_text("\n".join(["file\thow made\tlicence\tverdict\tsize"] + lines) + "\n")
    total = sum((HERE / row[0]).stat().st_size for row in rows.values())
    print(f"{len(rows)} files, {total} bytes")


main()
