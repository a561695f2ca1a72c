package uploadtest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"hatchery/shared/upload"
)

// Body is bytes that an explored scenario uploads, and what is to become of them.
type Body struct {
	Name string
	Data []byte
	// Refusal is the code with which the validator must refuse the bytes; "" means
	// that it must allow them.
	Refusal upload.Code
}

// Picture is a tiny true PNG. Pictures of different shades differ in their bytes
// and have the same length and the same ETag in Objects.
func Picture(shade uint8) Body {
	img := image.NewGray(image.Rect(0, 0, 1, 1))
	img.SetGray(0, 0, color.Gray{Y: shade})
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	if err := encoder.Encode(&b, img); err != nil {
		panic(fmt.Sprintf("write a picture into memory: %v", err)) // cannot happen
	}
	return Body{Name: fmt.Sprintf("picture %d", shade), Data: b.Bytes()}
}

// BrokenPicture is Picture(shade) with one bit changed where the ETag in Objects
// does not see it.
func BrokenPicture(shade uint8) Body {
	data := Picture(shade).Data
	data[len(data)-1] ^= 1 // in the checksum of the last chunk
	return Body{Name: fmt.Sprintf("broken picture %d", shade), Data: data, Refusal: upload.Corrupt}
}

// Script is a script that calls itself a picture.
func Script() Body {
	return Body{Name: "script", Data: []byte("#!/bin/sh\necho I am a cat\n"), Refusal: upload.TypeMismatch}
}

// verdict is what the validator must find about the body, as an upload of which
// d was declared.
func (b Body) verdict(d upload.Declared) upload.Code {
	switch {
	case d.Size != 0 && d.Size != int64(len(b.Data)):
		return upload.ChecksumMismatch
	case b.Refusal != "":
		return b.Refusal
	case d.SHA256 != "" && d.SHA256 != sumOf(b.Data):
		return upload.ChecksumMismatch
	}
	return ""
}
