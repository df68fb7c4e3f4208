// formats.c's gob in Go: `gob encode|decode COUNT` prints "seconds bytes" for COUNT messages and the length of their stream.
package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"os"
	"strconv"
	"time"
)

type Message struct {
	Seq  int
	Text string
}

const batch, text = 1000, "This is a message"

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Writes one batch of messages to the stream.
func encode(out *gob.Encoder) {
	for i := 1; i <= batch; i++ {
		check(out.Encode(&Message{i, text}))
	}
}

func decode(in *gob.Decoder) {
	sum := 0
	for i := 0; i < batch; i++ {
		var message Message
		check(in.Decode(&message))
		sum += message.Seq + len(message.Text)
	}
	if sum != batch*(batch+1)/2+batch*len(text) {
		panic("decoded something else")
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	var stream bytes.Buffer
	var source bytes.Reader
	out, in := gob.NewEncoder(&stream), gob.NewDecoder(&source)
	var encoding, decoding time.Duration
	size := 0
	for done := 0; done < count; done += batch {
		stream.Reset()
		start := time.Now()
		encode(out)
		encoded := time.Now()
		source.Reset(stream.Bytes())
		decode(in)
		encoding += encoded.Sub(start)
		decoding += time.Since(encoded)
		size += stream.Len()
	}
	spent := encoding
	if os.Args[1] == "decode" {
		spent = decoding
	}
	fmt.Printf("%.6f %d\n", spent.Seconds(), size)
}
