// Command encodezip writes the archives of this folder that Go's own archive/zip makes, into the folder it is given.
package main

import (
	"archive/zip"
	"bytes"
	"log"
	"os"
	"path/filepath"
)

func main() {
	write("go.zip", func(z *zip.Writer) error { // streamed: with data descriptors
		if _, err := z.Create("sub/"); err != nil {
			return err
		}
		w, err := z.Create("sub/note.txt")
		if err != nil {
			return err
		}
		_, err = w.Write(bytes.Repeat([]byte("hello, world\n"), 9))
		return err
	})
	write("go-raw.zip", func(z *zip.Writer) error {
		h := &zip.FileHeader{Name: "note.txt", CompressedSize64: 5, UncompressedSize64: 5, CRC32: 0x3610a686}
		w, err := z.CreateRaw(h)
		if err != nil {
			return err
		}
		if _, err = w.Write([]byte("hello")); err != nil {
			return err
		}
		return z.SetComment("a comment")
	})
}

func write(name string, fill func(*zip.Writer) error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := fill(z); err != nil {
		log.Fatalf("write %s: %v", name, err)
	}
	if err := z.Close(); err != nil {
		log.Fatalf("write %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(os.Args[1], name), b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
