// Scenario 20's server in Go. Usage: server KIND; it serves one client on a free port and says what it hears.
//
// KIND is the struct that it decodes into: same, other-order (and one field more), text-only, seq-as-text.
package main

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
)

type answer struct {
	Text string
	Seq  int
}

// What each kind decodes into, made anew for each value: a field that is not sent is not set.
var kinds = map[string]func() any{
	"same": func() any {
		return &struct {
			Seq  int
			Text string
		}{}
	},
	"other-order": func() any {
		return &struct {
			Urgent bool
			Text   string
			Seq    int64
		}{}
	},
	"text-only": func() any {
		return &struct{ Text string }{}
	},
	"seq-as-text": func() any {
		return &struct {
			Seq  string
			Text string
		}{}
	},
}

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func show(value any) {
	line, err := json.Marshal(value)
	check(err)
	fmt.Println(string(line))
}

func main() {
	message := kinds[os.Args[1]]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	conn, err := listener.Accept()
	check(err)
	in, out := gob.NewDecoder(conn), gob.NewEncoder(conn)
	seq := 1
	for ; ; seq++ {
		value := message()
		if err = in.Decode(value); err != nil {
			break
		}
		show(value)
		check(out.Encode(answer{"Message received.", seq}))
	}
	if err == io.EOF {
		fmt.Println("EOF between messages")
	} else {
		fmt.Println("Error:", err)
	}
	// After an error there may be more: a close with bytes unread would be a reset.
	io.Copy(io.Discard, conn)
	conn.Close()
}
