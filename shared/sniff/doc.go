// Package sniff says what the bytes of a file are, and whether they are one whole file of its type and nothing else.
//
// Check reads a file once, forward, and promises of what it allows:
//
//   - It begins with the signature of the type that its extension claims, or else, where Limits.Correct, of one of
//     Limits.Extensions, tried in the order given. Each type's one matcher of
//     github.com/h2non/filetype is asked, never its registry, whose order is random.
//   - Its container was walked to the end marker by the rules of its format: each PNG chunk with its checksum, each
//     JPEG segment and scan, each GIF block and frame, each BMP header, row and run, each WebP and WAV chunk, each box
//     of HEIC, AVIF, MP4, QuickTime and M4A that says where something is, each entry of an archive, each section of a
//     PDF's cross-reference, each character of a text. Type has a sentence about each.
//   - Nothing follows the end but what Limits allows: padding, whole JPEGs behind a JPEG (gain maps and previews, as
//     phones append them; each is walked too), Samsung's trailer (its directory is walked, what stands in its blocks is
//     not looked at; one may follow a HEIC, too), or the video of a motion photo (its boxes are walked too), bare or in
//     Samsung's trailer.
//   - It has no more parts than files of its size have, so that a check takes at most four times as long as the bare
//     checksum, and up to 30 ms more for the entries of an archive, or 60 ms for the parts of an office file.
//   - Every declared size is within Limits, and so is what all frames or scans together ask of a viewer.
//   - SHA256 is of exactly these bytes.
//
// Nothing is decoded, and nothing inflated but the content types and relationships of an office file: pixels may
// still be rubbish, and text in a comment may still be a script. So serve what is stored with the type that was
// found, and with nosniff.
//
// Where the end of a file leads to the rest (archives, office files, PDF), parts are read by their place before the
// walk, and the reader has to be Ranges, too. The checksum is over all bytes all the same.
//
// Memory does not grow with the file: one block of 128 KiB, and lists that are no longer than a segment, 1 MiB in a
// HEIC or AVIF, or some MiB of an archive's directory. Every loop is bounded by the input. Checks share nothing and
// may run at the same time.
//
// One file per type holds its walk: png.go, jpeg.go with jpegscan.go, gif.go, bmp.go with bmprle.go, webp.go and
// wav.go with riff.go, pdf.go with pdfdict.go, zip.go with zipname.go, zipwalk.go and office.go, text.go. isobmff.go
// has the boxes of HEIC, AVIF, MP4, QuickTime and M4A, heif.go what pictures say with them, and movie.go what films do.
// ranges.go reads by place, tail.go and samsung.go decide about what follows, stream.go reads and hashes, refusal.go
// and describe.go word the refusals. testdata/manifest.tsv lists files of many programs, and false and damaged ones,
// with their verdicts.
package sniff
