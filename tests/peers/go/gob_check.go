// The other end of tests/scenarios/gob_check.c: the same lines, from Go's own encoding/gob.
//
//	gob_check streams TYPE    each line of standard input is a stream, in hex; its values as JSON, and how it ends
//	gob_check samples [zero]  for each type its name and a stream with one value
//	gob_check encode TYPE     each line of standard input is a value as JSON; one stream of them, in hex
//	gob_check fixture NAME    the stream tests/scenarios/gob/NAME.gob; a process for each, since a process numbers its types
package main

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

type Msg struct {
	Seq  int
	Text string
}

type All struct {
	Yes      bool
	Whole    int
	Natural  uint
	Real     float64
	Bytes    []byte
	Text     string
	Yeses    []bool
	Wholes   []int
	Naturals []uint
	Reals    []float64
	Byteses  [][]byte
	Texts    []string
}

type Base struct {
	A int
	B string
}

type Swapped struct {
	B string
	A int
}

type More struct {
	A int
	B string
	C float64
	D []int
}

type Between struct {
	Z []bool
	A int
	Y [][]byte
	B string
}

type Fewer struct{ B string }

type Other struct {
	X int
	Y string
}

type Empty struct{}

type Yes struct {
	A bool
	B string
}

type Natural struct {
	A uint
	B string
}

type Real struct {
	A float64
	B string
}

type Bytes struct {
	A []byte
	B string
}

type Text struct {
	A string
	B string
}

type Yeses struct {
	A []bool
	B string
}

type Wholes struct {
	A []int
	B string
}

type Naturals struct {
	A []uint
	B string
}

type Reals struct {
	A []float64
	B string
}

type Byteses struct {
	A [][]byte
	B string
}

type Texts struct {
	A []string
	B string
}

var types = []any{Msg{}, All{}, Base{}, Swapped{}, More{}, Between{}, Fewer{}, Other{}, Empty{}, Yes{}, Natural{}, Real{}, Bytes{},
	Text{}, Yeses{}, Wholes{}, Naturals{}, Reals{}, Byteses{}, Texts{}}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func typeCalled(name string) reflect.Type {
	for _, t := range types {
		if reflect.TypeOf(t).Name() == name {
			return reflect.TypeOf(t)
		}
	}
	panic(name)
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// JSON as gob_check.c writes it: text and bytes are hex, floats are the hex of their bits.
func show(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return fmt.Sprint(v.Bool())
	case v.CanInt():
		return fmt.Sprint(v.Int())
	case v.CanUint():
		return fmt.Sprint(v.Uint())
	case v.CanFloat():
		return fmt.Sprintf(`"%016x"`, math.Float64bits(v.Float()))
	case v.Kind() == reflect.String:
		return fmt.Sprintf(`"%x"`, v.String())
	case isBytes(v.Type()):
		return fmt.Sprintf(`"%x"`, v.Bytes())
	case v.Kind() == reflect.Slice:
		items := []string{}
		for i := 0; i < v.Len(); i++ {
			items = append(items, show(v.Index(i)))
		}
		return "[" + strings.Join(items, ",") + "]"
	default:
		fields := []string{}
		for i := 0; i < v.NumField(); i++ {
			fields = append(fields, fmt.Sprintf(`"%s":%s`, v.Type().Field(i).Name, show(v.Field(i))))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
}

// The other way.
func set(v reflect.Value, x any) {
	unhex := func() []byte {
		b, err := hex.DecodeString(x.(string))
		must(err)
		return b
	}
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(x.(bool))
	case v.CanInt():
		i, err := x.(json.Number).Int64()
		must(err)
		v.SetInt(i)
	case v.CanUint():
		u, err := strconv.ParseUint(x.(json.Number).String(), 10, 64)
		must(err)
		v.SetUint(u)
	case v.CanFloat():
		u, err := strconv.ParseUint(x.(string), 16, 64)
		must(err)
		v.SetFloat(math.Float64frombits(u))
	case v.Kind() == reflect.String:
		v.SetString(string(unhex()))
	case isBytes(v.Type()):
		v.SetBytes(unhex())
	case v.Kind() == reflect.Slice:
		for _, item := range x.([]any) {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			set(v.Index(v.Len()-1), item)
		}
	default:
		for i := 0; i < v.NumField(); i++ {
			set(v.Field(i), x.(map[string]any)[v.Type().Field(i).Name])
		}
	}
}

// The value that gob_check.c has as its sample.
func sample(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	for i := 0; i < t.NumField(); i++ {
		set(v.Field(i), sampleOf(t.Field(i).Type, t.Field(i).Name == "A"))
	}
	return v
}

func sampleOf(t reflect.Type, isA bool) any {
	switch {
	case t.Kind() == reflect.Bool:
		return true
	case t.Kind() == reflect.Int:
		return json.Number("-5")
	case t.Kind() == reflect.Uint:
		return json.Number("300")
	case t.Kind() == reflect.Float64:
		return "3ff8000000000000"
	case t.Kind() == reflect.String && !isA:
		return "62"
	case t.Kind() == reflect.String || isBytes(t):
		return "7879"
	}
	item := reflect.New(t.Elem()).Elem()
	zero := map[reflect.Kind]any{reflect.Bool: false, reflect.Int: json.Number("0"), reflect.Uint: json.Number("0"),
		reflect.Float64: "0000000000000000"}[item.Kind()]
	if zero == nil {
		zero = ""
	}
	return []any{sampleOf(t.Elem(), true), zero}
}

func encode(values ...any) []byte {
	var stream bytes.Buffer
	out := gob.NewEncoder(&stream)
	for _, value := range values {
		must(out.Encode(value))
	}
	return stream.Bytes()
}

// Each value goes into a variable of its own: Go leaves a field alone that was not sent.
func decode(t reflect.Type, stream []byte) string {
	in := gob.NewDecoder(bytes.NewReader(stream))
	said := ""
	for {
		v := reflect.New(t)
		switch err := in.DecodeValue(v); err {
		case nil:
			said += show(v.Elem()) + " "
		case io.EOF:
			return said + "end"
		case io.ErrUnexpectedEOF:
			return said + "unfinished"
		default:
			return said + "refused: " + err.Error()
		}
	}
}

func eachLine(do func(line []byte)) {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		must(err)
		do(bytes.TrimSpace(line))
	}
}

// What other Go programs may send: narrow types, named ones, fields that we don't know, and what gob.c does not support.
type names []string

type narrow struct {
	I8     int8
	U16    uint16
	F32    float32
	Wholes []int32
	Texts  names
	hidden int
}

type newer struct {
	Extra []string
	Seq   int
	Ratio float64
	Text  string
	Raw   []byte
	Flags []bool
}

func fixture(name string) []byte {
	all := All{true, math.MinInt64, math.MaxUint64, -2.5, []byte{0, 255}, "h\u00e9 \u4e16", []bool{true, false, true}, []int{0, -1, 1, 1 << 40},
		[]uint{0, 127, 128, 1 << 63}, []float64{0, 0.1, math.Inf(1), math.Copysign(0, -1)}, [][]byte{{}, {1}}, []string{"", "two"}}
	switch name {
	case "messages":
		return encode(Msg{1, "hi"}, Msg{2, "hello"}, Msg{0, ""}, Msg{0, "x"}, Msg{3, ""}, Msg{-1, "neg"}, Msg{64, "a"}, Msg{1 << 40, "\u00e9"},
			Msg{7, strings.Repeat("a", 200)})
	case "all":
		return encode(all, All{}, all)
	case "narrow":
		return encode(narrow{-128, 65535, 0.1, []int32{math.MinInt32, 7}, names{"a", "b"}, 5})
	case "newer":
		return encode(newer{[]string{"e"}, 1, 0.5, "hi", []byte("raw"), []bool{true}}, newer{Seq: 2}, newer{Text: "last"})
	case "map":
		return encode(struct {
			Seq int
			M   map[string]int
		}{Seq: 1})
	case "nested":
		return encode(struct {
			Seq   int
			Inner Msg
		}{Seq: 1})
	case "time":
		return encode(struct {
			Seq  int
			When time.Time
		}{Seq: 1})
	case "array":
		return encode(struct {
			Seq   int
			Three [3]int
		}{Seq: 1})
	case "matrix":
		return encode(struct {
			Seq  int
			Rows [][]int
		}{Seq: 1})
	case "complex":
		return encode(struct {
			Seq int
			Z   complex128
		}{Seq: 1})
	case "interface":
		return encode(struct {
			Seq int
			Any any
		}{Seq: 1})
	case "number":
		return encode(3)
	case "list":
		return encode([]string{"a"})
	}
	panic(name)
}

func main() {
	switch os.Args[1] {
	case "streams":
		t := typeCalled(os.Args[2])
		eachLine(func(line []byte) {
			stream, err := hex.DecodeString(string(line))
			must(err)
			fmt.Println(decode(t, stream))
		})
	case "samples":
		for _, t := range types {
			v := reflect.Zero(reflect.TypeOf(t))
			if len(os.Args) == 2 {
				v = sample(v.Type())
			}
			fmt.Printf("%s %x\n", v.Type().Name(), encode(v.Interface()))
		}
	case "encode":
		values := []any{}
		eachLine(func(line []byte) {
			numbers := json.NewDecoder(bytes.NewReader(line))
			numbers.UseNumber()
			var x any
			must(numbers.Decode(&x))
			v := reflect.New(typeCalled(os.Args[2]))
			set(v.Elem(), x)
			values = append(values, v.Interface())
		})
		fmt.Printf("%x\n", encode(values...))
	case "fixture":
		os.Stdout.Write(fixture(os.Args[2]))
	}
}
