// The reader's task in Go: "seconds lines bytes" of standard input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	start := time.Now()
	in := bufio.NewReaderSize(os.Stdin, 64*1024)
	lines, bytes := 0, 0
	for {
		line, err := in.ReadString('\n')
		bytes += len(line)
		if err != nil {
			break
		}
		lines++
	}
	fmt.Printf("%.6f %d %d\n", time.Since(start).Seconds(), lines, bytes)
}
