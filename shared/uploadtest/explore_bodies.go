package uploadtest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Body is bytes that an explored scenario uploads, and what is to become of them.
type Body struct {
	Name string
	Data []byte
	// Extension is that of the type that the bytes are of; "" for none. Every upload is named .png.
	Extension string
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
	return Body{Name: fmt.Sprintf("picture %d", shade), Data: b.Bytes(), Extension: extension}
}

// OtherPicture is a tiny true GIF, to be stored as such where the scenario corrects.
func OtherPicture() Body {
	img := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	if err := gif.Encode(&b, img, nil); err != nil {
		panic(fmt.Sprintf("write a picture into memory: %v", err)) // cannot happen
	}
	return Body{Name: "GIF", Data: b.Bytes(), Extension: "gif"}
}

// BrokenPicture is Picture(shade) with one bit changed where the ETag in Objects
// does not see it.
func BrokenPicture(shade uint8) Body {
	data := Picture(shade).Data
	data[len(data)-1] ^= 1 // in the checksum of the last chunk
	return Body{Name: fmt.Sprintf("broken picture %d", shade), Data: data, Extension: extension, Refusal: upload.Corrupt}
}

// Script is a script that calls itself a picture.
func Script() Body {
	return Body{Name: "script", Data: []byte("#!/bin/sh\necho I am a cat\n"), Refusal: upload.TypeMismatch}
}

// verdict is what the validator must find about the body, as an upload of which
// d was declared, where the policy corrects a mismatch or does not.
func (b Body) verdict(d upload.Declared, corrects bool) upload.Code {
	switch {
	case d.Size != 0 && d.Size != int64(len(b.Data)):
		return upload.ChecksumMismatch
	case b.Refusal != "":
		return b.Refusal
	case b.Extension != extension && !corrects:
		return upload.TypeMismatch
	case d.SHA256 != "" && d.SHA256 != sumOf(b.Data):
		return upload.ChecksumMismatch
	}
	return ""
}

// described is what a copy of the body must be described with.
func (b Body) described() (contentType, disposition string) {
	contentType = policy.ExpectedType(b.Extension)
	return contentType, upload.Disposition(contentType, "cat."+b.Extension)
}
