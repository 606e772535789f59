// An HPACK decoder that shares no code with Tollgate: that of Go's net/http.
//
// Standard input is a sequence of records: a byte 0 and the maximum size of the dynamic table, for a new decoder, or a
// byte 1, a length and a block. For each block it writes the number of fields, and for each field the length of its
// name, its name, the length of its value and its value; or 0xffffffff if the block, or one before it, is in error. All
// numbers are big-endian, of 32 bits. It flushes its output when the input has no further record, and exits at its end.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"os"

	"golang.org/x/net/http2/hpack"
)

const failed = 0xffff_ffff

func main() {
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	decoder, broken := newDecoder(4096), false
	for {
		kind, err := input.ReadByte()
		if err == io.EOF {
			return
		}
		check(err)
		var number uint32
		check(binary.Read(input, binary.BigEndian, &number))
		if kind == 0 {
			decoder, broken = newDecoder(number), false
			continue
		}
		block := make([]byte, number)
		_, err = io.ReadFull(input, block)
		check(err)
		var fields []hpack.HeaderField
		if !broken {
			fields, err = decoder.DecodeFull(block)
			broken = err != nil
		}
		if broken {
			number32(output, failed)
		} else {
			number32(output, uint32(len(fields)))
			for _, field := range fields {
				text(output, field.Name)
				text(output, field.Value)
			}
		}
		if input.Buffered() == 0 {
			check(output.Flush())
		}
	}
}

func newDecoder(size uint32) *hpack.Decoder {
	return hpack.NewDecoder(size, nil)
}

func text(output *bufio.Writer, text string) {
	number32(output, uint32(len(text)))
	_, err := output.WriteString(text)
	check(err)
}

func number32(output *bufio.Writer, number uint32) {
	_, err := output.Write(binary.BigEndian.AppendUint32(nil, number))
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
