// Scenario 20's client in Go. Usage: client HOST PORT KIND; says what it is answered.
//
// KIND is its struct: same, other-order (and one field more), text-only, seq-as-text, or strange (none of the fields).
package main

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
)

type same struct {
	Seq  int
	Text string
}

type otherOrder struct {
	Text   string
	Urgent bool
	Words  []string
	Seq    int16
}

type textOnly struct{ Text string }

type seqAsText struct{ Seq, Text string }

type strange struct{ Number int }

const first, second = "This is a message\n", "This is a message 2\n test"

var kinds = map[string][]any{
	"same":        {same{1, first}, same{2, second}},
	"other-order": {otherOrder{first, true, []string{"a", "b"}, 1}, otherOrder{second, false, nil, 2}},
	"text-only":   {textOnly{first}, textOnly{second}},
	"seq-as-text": {seqAsText{"one", first}, seqAsText{"two", second}},
	"strange":     {strange{1}, strange{2}},
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
	conn, err := net.Dial("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	check(err)
	out, in := gob.NewEncoder(conn), gob.NewDecoder(conn)
	for _, message := range kinds[os.Args[3]] {
		check(out.Encode(message))
	}
	check(conn.(*net.TCPConn).CloseWrite())
	for {
		var answer same
		if err = in.Decode(&answer); err != nil {
			break
		}
		show(answer)
	}
	if err == io.EOF {
		fmt.Println("EOF between messages")
	} else {
		fmt.Println("Error:", err)
	}
}
