package sniff_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/sniff"
)

// large is a picture of any size, made of a piece that repeats, so that it need not be stored.
type large struct {
	name, extension    string
	head, piece, after []byte
}

// times is how often the piece is in a file of about size bytes.
func (l large) times(size int64) int64 { return max(1, size/int64(len(l.piece))) }

// reader returns a file of about size bytes.
func (l large) reader(size int64) io.Reader {
	return io.MultiReader(bytes.NewReader(l.head), &repeat{piece: l.piece, times: l.times(size)}, bytes.NewReader(l.after))
}

// largeRanges is the end of a large file by its place.
type largeRanges struct {
	l    large
	size int64
}

func (r largeRanges) Size() int64 {
	return int64(len(r.l.head)+len(r.l.after)) + r.l.times(r.size)*int64(len(r.l.piece))
}

func (r largeRanges) ReadAt(p []byte, at int64) (int, error) {
	behind := r.Size() - int64(len(r.l.after))
	for i := range p {
		switch from := at + int64(i); {
		case from >= behind:
			p[i] = r.l.after[from-behind]
		case from >= int64(len(r.l.head)):
			p[i] = r.l.piece[(from-int64(len(r.l.head)))%int64(len(r.l.piece))]
		default:
			p[i] = r.l.head[from]
		}
	}
	return len(p), nil
}

// repeat reads a piece so many times.
type repeat struct {
	piece []byte
	times int64
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.piece[r.at:])
	if r.at += n; r.at == len(r.piece) {
		r.at, r.times = 0, r.times-1
	}
	return n, nil
}

// larges makes one picture per walk, as hard to walk as real ones get: libpng's chunks of 8 KiB, JPEG entropy data with
// its one 0xFF in 256 bytes and restart markers or not, GIF's blocks of 255 bytes, BMP's rows, BMP's runs.
func larges(t testing.TB, size int64) []large {
	random := make([]byte, 1<<20)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	jpeg := named(t, "genuine/cjpeg.jpg")
	start := bytes.Index(jpeg, []byte("\xff\xda"))
	gif := named(t, "genuine/no-tables.gif")
	runs := []byte{}
	for range 100 {
		runs = append(runs, bytes.Repeat([]byte{10, 1}, 100)...)
		runs = append(runs, 0, 0)
	}
	bitmap := func(depth, compression uint32, width, height int64, colours int) []byte {
		b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00")
		for _, v := range []uint32{uint32(54 + 4*colours), 40, uint32(width), uint32(height), 1 | depth<<16, compression, 0,
			0, 0, 0, 0} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return append(b, make([]byte, 4*colours)...)
	}
	rows := size / (64 << 10)
	lines := size / int64(len(runs)) * 100
	const png = "\x89PNG\r\n\x1a\n"
	return []large{
		{"PNG", "png", append([]byte(png), chunk("IHDR", []byte("\x00\x00\x40\x00\x00\x00\x40\x00\x08\x02\x00\x00\x00"))...),
			chunk("IDAT", random[:8<<10]), chunk("IEND", nil)},
		{"JPEG", "jpg", jpeg[:start+2+int(binary.BigEndian.Uint16(jpeg[start+2:]))],
			bytes.ReplaceAll(random, []byte{0xff}, []byte{0xff, 0}), []byte("\xff\xd9")},
		{"GIF", "gif", gif[:len(gif)-5], append([]byte{255}, random[:255]...), []byte("\x00;")},
		{"BMP", "bmp", bitmap(32, 0, 16<<10, rows, 0), random[:64<<10], nil},
		{"BMP, runs", "bmp", bitmap(8, 1, 1000, lines, 256), runs, []byte{0, 1}},
		isoData(t, "HEIC", "heic", size, nil, random), isoData(t, "AVIF", "avif", size, nil, random),
		isoData(t, "MP4", "mp4", size, nil, random), isoData(t, "MP4, fragments", "mp4", size, []byte("mdat"), random[:8<<10]),
		isoData(t, "QuickTime", "mov", size, nil, random), isoData(t, "M4A", "m4a", size, nil, random),
		webpFrames("WebP, frames", size, riffChunk("VP8L", append([]byte("/\xff\x3f\x00\x00"), random[:8<<10-5]...))),
		largePDF(random, size),
		{"TXT", "txt", nil, bytes.Repeat([]byte("Some words in a line, some in the next, und Grüße.\r\n"), 1000), nil},
		{"TXT, Greek", "txt", nil, bytes.Repeat([]byte("Λέξεις σε μια γραμμή\n"), 1000), nil},
		{"WAV", "wav", append(bytes.Clone(named(t, "genuine/open.wav")[:36]), "data\xff\xff\xff\xff"...), random, nil},
		largeArchive("ZIP", "zip", nil, random, size),
		largeArchive("DOCX", "docx", named(t, "genuine/stored.docx"), random, size),
	}
}

// isoData is a small file with about size bytes of data more behind it: all in one box, or in boxes of a type, each as
// long as a piece.
func isoData(t testing.TB, name, extension string, size int64, each, piece []byte) large {
	small := map[string]string{"heic": "phone.heic", "avif": "avifenc.avif", "mp4": "ffmpeg-h264.mp4",
		"mov": "ffmpeg-animation.mov", "m4a": "ffmpeg.m4a"}[extension]
	head := named(t, "genuine/"+small)
	if each != nil {
		return large{name, extension, head, isoBox(string(each), piece), nil}
	}
	data := max(1, size/int64(len(piece))) * int64(len(piece))
	head = append(head, "\x00\x00\x00\x01mdat"...)
	return large{name, extension, binary.BigEndian.AppendUint64(head, uint64(16+data)), piece, nil}
}

// isoBox is one box.
func isoBox(kind string, content ...[]byte) []byte {
	body := slices.Concat(content...)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// largePDF is a document with a stream of about size bytes.
func largePDF(random []byte, size int64) large {
	l := large{name: "PDF", extension: "pdf", head: []byte("%PDF-1.4\n1 0 obj\n<<>>stream\n"), piece: random}
	table := int64(len(l.head)) + l.times(size)*int64(len(random)) + 1
	l.after = fmt.Appendf(nil, "\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", table)
	return l
}

// largeArchive is an archive with a stored entry, behind those of another one.
func largeArchive(name, extension string, small, random []byte, size int64) large {
	l := large{name: name, extension: extension, piece: random}
	length := uint32(l.times(size) * int64(len(random)))
	header := func(of string, more string) []byte {
		b := append([]byte(of), make([]byte, 8)...)
		b = binary.LittleEndian.AppendUint32(b, 0) // the checksum, which is not compared
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, length), length)
		return append(append(b, 4, 0, 0, 0), more...)
	}
	var directory []byte
	count := uint16(1)
	if small != nil {
		end := small[len(small)-22:]
		from := binary.LittleEndian.Uint32(end[16:])
		l.head, directory = slices.Clone(small[:from]), slices.Clone(small[from:len(small)-22])
		count += binary.LittleEndian.Uint16(end[10:])
	}
	at := uint32(len(l.head))
	l.head = append(l.head, header("PK\x03\x04\x14\x00", "data")...)
	place := binary.LittleEndian.AppendUint32(make([]byte, 10), at)
	directory = append(append(directory, header("PK\x01\x02\x14\x00\x14\x00", string(place))...), "data"...)
	l.after = append(directory, "PK\x05\x06\x00\x00\x00\x00"...)
	l.after = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(l.after, count), count)
	l.after = binary.LittleEndian.AppendUint32(l.after, uint32(len(directory)))
	l.after = binary.LittleEndian.AppendUint32(l.after, uint32(len(l.head))+length)
	l.after = append(l.after, 0, 0)
	return l
}

// webpFrames is an animation of about size bytes, whose frames have these chunks each.
func webpFrames(name string, size int64, chunks []byte) large {
	const canvas = "\xff\x3f\x00\x00\x00\x00" // 16,384 x 1 pixels
	frame := riffChunk("ANMF", slices.Concat(make([]byte, 6), []byte(canvas), make([]byte, 4), chunks))
	head := slices.Concat([]byte("WEBP"), riffChunk("VP8X", []byte("\x02\x00\x00\x00"+canvas)), riffChunk("ANIM", make([]byte, 6)))
	frames := max(1, size/int64(len(frame)))
	whole := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(int64(len(head))+frames*int64(len(frame))))
	return large{name, "webp", append(whole, head...), frame, nil}
}

// riffChunk is one chunk of a RIFF file, of an even size.
func riffChunk(name string, content []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content))), content...)
}

// tiny is a file of the smallest parts that its type can have.
type tiny struct {
	name, extension   string
	head, part, after []byte
	counts            int // how many parts a part has
	// filler is one part of about n bytes, or a few: parts are counted by the bytes before them.
	filler func(n int) []byte
}

// data makes a file of about size bytes, with so many of its parts at the end.
func (p tiny) data(size, parts int) []byte {
	tail := slices.Concat(bytes.Repeat(p.part, parts), p.after)
	data := slices.Concat(p.head, p.filler(max(size-len(p.head)-len(tail), 100)), tail)
	switch p.extension {
	case "webp", "wav":
		binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
	case "pdf": // where the table is, in front of its parts
		return fmt.Appendf(data, "startxref\n%d\n%%%%EOF\n", len(data)-len(tail)-len("xref\n"))
	}
	return data
}

// taken is how many of the parts a file of about size bytes may have, less those in head, filler and after.
func (p tiny) taken(size int) int { return (mostParts + size/partBytes - 200) / p.counts }

// tinies makes one for each kind of part that is counted.
func tinies(t testing.TB) []tiny {
	jpeg, gif := named(t, "genuine/cjpeg.jpg"), named(t, "genuine/no-tables.gif")
	start := bytes.Index(jpeg, []byte("\xff\xda"))
	motion := named(t, "genuine/motion.jpg")
	header := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", []byte("\x00\x00\x40\x00\x00\x00\x40\x00\x08\x02\x00\x00\x00"))...)
	pixels := func(n int) []byte { return chunk("IDAT", make([]byte, n)) }
	text := func(n int) []byte { return chunk("tEXt", make([]byte, n)) }
	box := func(n int) []byte { return isoBox("free", make([]byte, n)) }
	animation := webpFrames("", 0, riffChunk("VP8L", []byte("/\xff\x3f\x00\x00\x00")))
	return []tiny{
		{"PNG, tiny chunks of pixels", "png", header, chunk("IDAT", []byte{1}), chunk("IEND", nil), 1, pixels},
		{"PNG, tiny texts", "png", append(header, chunk("IDAT", []byte{1})...), chunk("tEXt", nil), chunk("IEND", nil), 1, text},
		{"JPEG, tiny segments", "jpg", jpeg[:start], []byte("\xff\xe0\x00\x02"), jpeg[start:], 1, comment},
		{"JPEG with a video of tiny boxes", "jpg", motion, box(0), nil, 1, box},
		{"GIF, tiny extensions", "gif", gif[:len(gif)-1], []byte("!\xfe\x00"), []byte(";"), 1, gifComment},
		{"GIF, tiny frames", "gif", gif[:13], []byte(",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x00\x00"), []byte(";"), 1, gifComment},
		{"HEIC, tiny boxes", "heic", named(t, "genuine/phone.heic"), box(0), nil, 1, box},
		{"MP4, tiny boxes", "mp4", named(t, "genuine/ffmpeg-h264.mp4"), box(0), nil, 1, box},
		{"MP4, tiny fragments", "mp4", named(t, "genuine/ffmpeg-h264.mp4"), isoBox("moof"), nil, 1, box},
		{"WebP, tiny chunks", "webp", named(t, "genuine/cwebp.webp"), riffChunk("note", nil), nil, 1, webpNote},
		{"WebP, tiny frames", "webp", animation.head, animation.piece, nil, 2, webpNote},
		{"PDF, tiny tables", "pdf", []byte("%PDF-1.4\n"), []byte("0 0\n"), []byte(pdfTrailer), 1, pdfTable},
		{"WAV, tiny chunks", "wav", named(t, "genuine/own.wav"), riffChunk("note", nil), nil, 1, webpNote},
	}
}

const pdfTrailer = "trailer<</Size 1/Root 1 0 R>>\n"

// pdfTable is an object of about n bytes, and the first word of a table.
func pdfTable(n int) []byte {
	return slices.Concat([]byte("1 0 obj<<>>stream\n"), make([]byte, n), []byte("\nendstream endobj\nxref\n"))
}

// entries makes an archive of so many empty entries.
func entries(t testing.TB, count int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for n := range count {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%04x", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// relations makes an office file of about size bytes with as much to unpack and to read as is taken.
func relations(t testing.TB, size int) []byte {
	const one, most = 1 << 20, 4 << 20
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name, content string, method uint16) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const main = `<Relationships><Relationship Type="/officeDocument" Target="word/document.xml"/></Relationships>`
	const types = `<Types><Override PartName="/word/document.xml" ContentType="application/` +
		`vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`
	add("[Content_Types].xml", types, zip.Deflate)
	add("_rels/.rels", main, zip.Deflate)
	left := most - len(main) - len(types)
	for n := 0; left > 0; n++ {
		part := `<Relationships>` + strings.Repeat(`<Relationship Type="/hyperlink"/>`, 9_900)
		part += strings.Repeat(" ", min(one, left)-len(part)-len("</Relationships>")) + "</Relationships>"
		add(fmt.Sprintf("word/_rels/%d.rels", n), part, zip.Deflate)
		left -= len(part)
	}
	add("word/document.xml", strings.Repeat("x", max(0, size-b.Len())), zip.Store)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dense makes files of about size bytes that are one part each, and as hard to walk as there can be.
func dense(t testing.TB, size int) []tiny {
	jpeg, restart := named(t, "genuine/cjpeg.jpg"), named(t, "genuine/cjpeg-restart.jpg")
	start := bytes.Index(restart, []byte("\xff\xda"))
	start += 2 + int(binary.BigEndian.Uint16(restart[start+2:]))
	gif, png := named(t, "genuine/no-tables.gif"), named(t, "genuine/go-nrgba.png")
	var restarts []byte
	for n := range byte(8) {
		restarts = append(restarts, 1, 0xff, 0xd0+n)
	}
	none := func(int) []byte { return nil }
	index := func(kind string, entry int) tiny { // a table that fills the file
		n := size / entry
		head := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(n))
		table := isoBox(kind, head, bytes.Repeat(append(make([]byte, entry-1), 32), n))
		moov := isoBox("moov", isoBox("trak", isoBox("mdia", isoBox("minf", isoBox("stbl", table)))))
		return tiny{"MP4, a table of places (" + kind + ")", "mp4",
			append([]byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"), isoBox("mdat", make([]byte, 99))...), moov, nil, 1, none}
	}
	all := []tiny{
		{"JPEG, restart markers", "jpg", restart[:start], restarts, []byte("\x01\xff\xd9"), 1, none},
		{"JPEG, stuffed bytes", "jpg", restart[:start], []byte("\xff\x00"), []byte("\x01\xff\xd9"), 1, none},
		{"JPEG, fill bytes", "jpg", jpeg[:2], []byte("\xff"), jpeg[2:], 1, none},
		{"GIF, tiny blocks", "gif", gif[:len(gif)-5], []byte{1, 1}, []byte("\x00;"), 1, none},
		{"PNG, zeros behind it", "png", png, []byte("\x00"), nil, 1, none},
		{"PNG, padding behind it", "png", png, []byte("\x00\xff"), nil, 1, none},
	}
	for i, p := range all {
		all[i].part = bytes.Repeat(p.part, size/len(p.part))
	}
	whole := func(name, extension string, data []byte) tiny { return tiny{name, extension, data, nil, nil, 1, none} }
	table := strings.Repeat("0000000000 65535 f \n", size/20)
	return append(all, index("stco", 4), index("co64", 8), whole("HEIC, 20,000 items", "heic", manyItems(20_000, 30_000)),
		tiny{"PDF, a table of objects", "pdf", []byte("%PDF-1.4\nxref\n"), nil,
			fmt.Appendf(nil, "0 %d\n%s%s", size/20, table, pdfTrailer), 1, none},
		whole("ZIP, 65,535 entries", "zip", entries(t, 65_535)), whole("DOCX, 4 MiB of relationships", "docx", relations(t, size)),
		whole("TXT, letters of three bytes", "txt", bytes.Repeat([]byte("語"), size/3)),
		whole("TXT, letters of two bytes and one", "txt", bytes.Repeat([]byte("éa"), size/3)),
		whole("TXT in UTF-16", "txt", append([]byte("\xff\xfe"), bytes.Repeat([]byte("a\x00"), size/2)...)),
		whole("TXT in Windows-1252", "txt", bytes.Repeat([]byte("\xe9t\xe9 "), size/4)))
}

// manyItems is a HEIC of so many items, of which the last is made of so many others.
func manyItems(items, tiles int) []byte {
	u16, u32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	infos, uses, references := u16(make([]byte, 4), uint16(items)), u32(make([]byte, 4), uint32(items)), make([]byte, 4)
	for n := range items {
		infos = append(infos, isoBox("infe", u16([]byte{2, 0, 0, 0}, uint16(n)), []byte("\x00\x00hvc1\x00"))...)
		uses = append(u16(uses, uint16(n)), 1, 1)
	}
	for ; tiles > 0; tiles -= 65_535 {
		list := u16(u16(nil, uint16(items-1)), uint16(min(tiles, 65_535)))
		for n := range min(tiles, 65_535) {
			list = u16(list, uint16(n%items))
		}
		references = append(references, isoBox("dimg", list)...)
	}
	properties := isoBox("ipco", isoBox("ispe", []byte("\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x07")))
	return append([]byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00"), isoBox("meta", make([]byte, 4),
		isoBox("hdlr", make([]byte, 8), []byte("pict"), make([]byte, 13)), isoBox("pitm", u16(make([]byte, 4), uint16(items-1))),
		isoBox("iinf", infos), isoBox("iref", references), isoBox("iprp", properties, isoBox("ipma", uses)))...)
}

// chunk is one PNG chunk.
func chunk(name string, content []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), name...)
	b = append(b, content...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// BenchmarkCheck reports, as x-sha256, how many times as long a check takes as the bare checksum of the same bytes from
// the same reader: the median of turns, in each of which both are timed. First come files as hard to walk as real ones
// get; then files of the default policy's largest size that are made to be slow, of as many of the smallest parts as are
// taken or of one part that is hard.
func BenchmarkCheck(b *testing.B) {
	const short, most = 1 << 20, 5_500_000 // a turn is short: what else runs on the machine then disturbs few turns
	for _, l := range larges(b, short) {
		data, err := io.ReadAll(l.reader(short))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(l.name, func(b *testing.B) { compare(b, data, l.extension) })
	}
	for _, p := range tinies(b) {
		b.Run(p.name, func(b *testing.B) { compare(b, p.data(most, p.taken(most)), p.extension) })
	}
	for _, p := range dense(b, most) {
		b.Run(p.name, func(b *testing.B) { compare(b, p.data(0, 1), p.extension) })
	}
}

// compare measures a check of data beside its checksum.
func compare(b *testing.B, data []byte, extension string) {
	b.SetBytes(int64(len(data)))
	var ratios []float64
	block := make([]byte, 128<<10)
	limits := sniff.Limits{Padding: true, Video: true, Charsets: []string{"utf-16", "windows-1252"}}
	for b.Loop() {
		begin := time.Now()
		if _, err := sniff.Check(b.Context(), bytes.NewReader(data), extension, limits); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		sum := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{bytes.NewReader(data)},
			block); err != nil {
			b.Fatal(err)
		}
		ratios = append(ratios, float64(middle.Sub(begin))/float64(time.Since(middle)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-sha256")
}

// The bound of parts in a file: so many, and one more for each partBytes.
const mostParts, partBytes = 1 << 16, 64

// Tiny parts cost many times the checksum of their bytes, so that their number is bounded.
func TestAFileOfTooManyTinyPartsIsRefused(t *testing.T) {
	const size = 2_000_000
	for _, p := range tinies(t) {
		limits := sniff.Limits{Video: true}
		data := p.data(size, p.taken(size))
		if _, err := sniff.Check(t.Context(), bytes.NewReader(data), p.extension, limits); err != nil {
			t.Errorf("%s, as many as are taken: %v", p.name, err)
		}
		data = p.data(size, p.taken(size)+400/p.counts)
		_, err := sniff.Check(t.Context(), bytes.NewReader(data), p.extension, limits)
		var refusal *sniff.Refusal
		if !errors.As(err, &refusal) || refusal.Code != sniff.NotAllowed || !clean(refusal.Message) {
			t.Errorf("%s, more than are taken: %v", p.name, err)
		}
	}
}

// watch samples the heap while it is read.
type watch struct {
	r    io.Reader
	seen int
	peak uint64
}

func (w *watch) Read(p []byte) (int, error) {
	if w.seen++; w.seen%128 == 1 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapAlloc)
	}
	return w.r.Read(p)
}

// memory checks a picture of about size bytes and returns the highest heap seen and all that was ever allocated for it.
func memory(t testing.TB, l large, size int64) (peak, allocated uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	r := &watch{r: l.reader(size)}
	runtime.ReadMemStats(&before)
	found, err := sniff.Check(t.Context(), struct {
		io.Reader
		sniff.Ranges
	}{r, largeRanges{l, size}}, l.extension, sniff.Limits{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if found.Size < size*9/10 {
		t.Fatalf("%s: %d bytes read, want about %d", l.name, found.Size, size)
	}
	return r.peak - min(before.HeapAlloc, r.peak), after.TotalAlloc - before.TotalAlloc
}

// All that is allocated during a check bounds its peak from above, and no collector's timing shows in it.
func TestMemoryDoesNotGrowWithThePicture(t *testing.T) {
	const small, big = 1 << 20, 64 << 20
	few, many := larges(t, small), larges(t, big)
	for i := range few {
		_, one := memory(t, few[i], small)
		_, other := memory(t, many[i], big)
		if other > one+1<<20 {
			t.Errorf("%s: %d bytes allocated for 1 MiB, %d for 64 MiB", few[i].name, one, other)
		}
	}
}

// BenchmarkMemory streams 1 GiB through each walk, and reports how much higher than for 1 MiB the heap's peak was.
func BenchmarkMemory(b *testing.B) {
	const small, big = 1 << 20, 1 << 30
	few, many := larges(b, small), larges(b, big)
	for i := range few {
		b.Run(few[i].name, func(b *testing.B) {
			b.SetBytes(big)
			var most int64
			for b.Loop() {
				one, _ := memory(b, few[i], small)
				other, _ := memory(b, many[i], big)
				most = max(most, int64(other)-int64(one))
			}
			b.ReportMetric(float64(most), "peak-B-more")
			if most > 1<<20 {
				b.Errorf("the heap's peak is %d bytes higher for 1 GiB than for 1 MiB", most)
			}
		})
	}
}
