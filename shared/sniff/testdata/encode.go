// Command encode writes the pictures of this folder that Go's own encoders make, into the folder it is given.
package main

import (
	"bytes"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"log"
	"os"
	"path/filepath"
)

func main() {
	rgba := image.NewNRGBA(image.Rect(0, 0, 31, 23))
	gray := image.NewGray16(rgba.Rect)
	for y := range 23 {
		for x := range 31 {
			rgba.SetNRGBA(x, y, color.NRGBA{uint8(x * 8), uint8(y * 11), uint8(x * y), uint8(255 - x)})
			gray.SetGray16(x, y, color.Gray16{uint16(x*2000 + y)})
		}
	}
	paletted := image.NewPaletted(rgba.Rect, palette.WebSafe)
	draw.FloydSteinberg.Draw(paletted, rgba.Rect, rgba, image.Point{})
	small := image.NewPaletted(image.Rect(5, 6, 20, 20), palette.Plan9)
	draw.FloydSteinberg.Draw(small, small.Rect, rgba, image.Point{})

	write("go-nrgba.png", func(b *bytes.Buffer) error { return png.Encode(b, rgba) })
	write("go-gray16.png", func(b *bytes.Buffer) error { return png.Encode(b, gray) })
	write("go-paletted.png", func(b *bytes.Buffer) error { return png.Encode(b, paletted) })
	write("go.jpg", func(b *bytes.Buffer) error { return jpeg.Encode(b, rgba, nil) })
	write("go-gray.jpeg", func(b *bytes.Buffer) error { return jpeg.Encode(b, gray, nil) })
	write("go.gif", func(b *bytes.Buffer) error { return gif.Encode(b, paletted, nil) })
	write("go-frames.gif", func(b *bytes.Buffer) error {
		return gif.EncodeAll(b, &gif.GIF{Image: []*image.Paletted{paletted, small}, Delay: []int{5, 5}})
	})
}

func write(name string, encode func(*bytes.Buffer) error) {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		log.Fatalf("encode %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(os.Args[1], name), b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
