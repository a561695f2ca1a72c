package sniff_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// reference walks run-length codes one by one, by the words of the format.
func reference(codes []byte, perByte, width, height int) string {
	x, y := 0, 0
	for {
		if len(codes) < 2 {
			return "truncated"
		}
		n, code := int(codes[0]), int(codes[1])
		codes = codes[2:]
		switch {
		case n > 0:
			x += n
		case code == 0:
			x, y = 0, y+1
		case code == 1 && len(codes) > 0:
			return "trailing_data"
		case code == 1:
			return "ok"
		case code == 2:
			if len(codes) < 2 {
				return "truncated"
			}
			x, y = x+int(codes[0]), y+int(codes[1])
			codes = codes[2:]
		default:
			size := (code + perByte - 1) / perByte
			if size += size % 2; len(codes) < size {
				return "truncated"
			}
			codes = codes[size:]
			x += code
		}
		if x > width || y > height || y == height && x > 0 {
			return "corrupt"
		}
	}
}

// The walk takes several runs at once where it can. One by one, they must come to the same.
func TestRunsAreWalkedAsTheFormatSays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	seen := map[string]int{}
	for range 20_000 {
		depth, perByte, compression, colours := 8, 1, 1, 256
		if rnd.IntN(2) == 0 {
			depth, perByte, compression, colours = 4, 2, 2, 16
		}
		width, height := 1+rnd.IntN(300), 1+rnd.IntN(6)
		stride := (width*depth + 31) / 32 * 4 * perByte
		var codes []byte
		for range rnd.IntN(60) {
			switch rnd.IntN(12) {
			case 0:
				codes = append(codes, 0, 0)
			case 1:
				codes = append(codes, 0, 2, byte(rnd.IntN(20)), byte(rnd.IntN(2)))
			case 2:
				n := 3 + rnd.IntN(20)
				size := (n + perByte - 1) / perByte
				codes = append(append(codes, 0, byte(n)), make([]byte, size+size%2)...)
			default:
				codes = append(codes, byte(1+rnd.IntN(9)), byte(rnd.Uint32()))
			}
		}
		if rnd.IntN(10) > 0 {
			codes = append(codes, 0, 1)
		}
		b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00")
		for _, v := range []int{54 + 4*colours, 40, width, height, 1 | depth<<16, compression, 0, 0, 0, 0, 0} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(append(b, make([]byte, 4*colours)...), codes...)
		want := reference(codes, perByte, stride, height)
		seen[want]++
		if got := verdict(t, b, "bmp", everything()); got != want {
			t.Fatalf("%d bits, %d x %d, codes %x: %s, want %s", depth, width, height, codes, got, want)
		}
	}
	for _, v := range []string{"ok", "corrupt", "truncated"} {
		if seen[v] < 100 {
			t.Errorf("only %d of 20,000 are %s", seen[v], v)
		}
	}
}
