package starrocks

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// fakeFE is a scripted FE: a MySQL server of the standard library that answers what it is told and remembers what it was
// sent. It knows nothing of StarRocks.
type fakeFE struct {
	t        testing.TB
	listener net.Listener
	password string

	mu         sync.Mutex
	answer     func(sql string) (answer, error)
	statements []string
	conns      map[net.Conn]bool
	flags      uint32 // of the last client
}

// answer is a result set; no columns = OK.
type answer struct {
	Columns []string
	Rows    [][]*string
}

// errHangUp makes the server close the connection instead of answering.
var errHangUp = errors.New("hang up")

func startFE(t testing.TB, password string, script func(sql string) (answer, error)) *fakeFE {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fe := &fakeFE{t: t, listener: listener, password: password, answer: script, conns: map[net.Conn]bool{}}
	t.Cleanup(fe.stop)
	go fe.accept()
	return fe
}

func (fe *fakeFE) address() string { return fe.listener.Addr().String() }

func (fe *fakeFE) accept() {
	for {
		nc, err := fe.listener.Accept()
		if err != nil {
			return
		}
		fe.mu.Lock()
		fe.conns[nc] = true
		fe.mu.Unlock()
		go fe.serve(nc)
	}
}

// stop kills the server with its connections.
func (fe *fakeFE) stop() {
	fe.listener.Close()
	fe.mu.Lock()
	defer fe.mu.Unlock()
	for nc := range fe.conns {
		nc.Close()
	}
}

// sent gives the statements that begin with prefix.
func (fe *fakeFE) sent(prefix string) []string {
	fe.mu.Lock()
	defer fe.mu.Unlock()
	var out []string
	for _, s := range fe.statements {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

type wire struct {
	r   *bufio.Reader
	w   *bufio.Writer
	seq byte
}

func (c *wire) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	c.seq = head[3] + 1
	body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(c.r, body)
	return body, err
}

func (c *wire) write(p []byte) {
	c.w.Write([]byte{byte(len(p)), byte(len(p) >> 8), byte(len(p) >> 16), c.seq})
	c.seq++
	c.w.Write(p)
}

func lenenc(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 251:
		b = append(b, byte(n))
	default:
		b = append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return append(b, s...)
}

func (c *wire) ok()  { c.write([]byte{0, 0, 0, 2, 0, 0, 0}) }
func (c *wire) eof() { c.write([]byte{0xfe, 0, 0, 2, 0}) }

func (c *wire) fail(e *Error) {
	b := []byte{0xff, byte(e.Code), byte(e.Code >> 8), '#'}
	b = append(b, (e.SQLState + "HY000")[:5]...)
	c.write(append(b, e.Text...))
}

func (c *wire) result(a answer) {
	if len(a.Columns) == 0 {
		c.ok()
		return
	}
	c.write([]byte{byte(len(a.Columns))})
	for _, name := range a.Columns {
		b := lenenc(nil, "def")
		for _, s := range []string{"", "", "", name, name} {
			b = lenenc(b, s)
		}
		b = append(b, 0x0c, 33, 0, 90, 0, 0, 0)
		c.write(append(b, 0xfd, 0, 0, 0, 0, 0))
	}
	c.eof()
	for _, row := range a.Rows {
		var b []byte
		for _, v := range row {
			if v == nil {
				b = append(b, 0xfb)
			} else {
				b = lenenc(b, *v)
			}
		}
		c.write(b)
	}
	c.eof()
}

func (fe *fakeFE) serve(nc net.Conn) {
	defer nc.Close()
	c := &wire{r: bufio.NewReader(nc), w: bufio.NewWriter(nc)}
	if !fe.handshake(c) {
		return
	}
	for {
		p, err := c.read()
		if err != nil || len(p) == 0 || p[0] == 0x01 {
			return
		}
		if p[0] != 0x03 { // ping
			c.ok()
		} else if !fe.reply(c, string(p[1:])) {
			return
		}
		if c.w.Flush() != nil {
			return
		}
	}
}

func (fe *fakeFE) reply(c *wire, sql string) bool {
	fe.mu.Lock()
	fe.statements = append(fe.statements, sql)
	script := fe.answer
	fe.mu.Unlock()
	if strings.HasPrefix(sql, "SET ") {
		c.ok()
		return true
	}
	a, err := script(sql)
	var refused *Error
	switch {
	case errors.Is(err, errHangUp):
		return false
	case errors.As(err, &refused):
		c.fail(refused)
	case err != nil:
		c.fail(&Error{Code: 1064, Text: err.Error()})
	default:
		c.result(a)
	}
	return true
}

func (fe *fakeFE) handshake(c *wire) bool {
	salt := make([]byte, 20)
	rand.Read(salt)
	for i := range salt {
		salt[i] = salt[i]%93 + 33
	}
	caps := uint32(1 | 1<<2 | 1<<3 | 1<<9 | 1<<13 | 1<<15 | 1<<16 | 1<<17 | 1<<19) // offers multi statements, as StarRocks does
	b := append([]byte{10}, "8.0.33\x00\x01\x00\x00\x00"...)
	b = append(append(b, salt[:8]...), 0)
	b = append(b, byte(caps), byte(caps>>8), 33, 2, 0, byte(caps>>16), byte(caps>>24), 21)
	b = append(b, make([]byte, 10)...)
	b = append(append(b, salt[8:]...), 0)
	c.write(append(b, "mysql_native_password\x00"...))
	c.w.Flush()
	p, err := c.read()
	if err != nil || len(p) < 33 {
		return false
	}
	fe.mu.Lock()
	fe.flags = binary.LittleEndian.Uint32(p)
	fe.mu.Unlock()
	rest := p[32:]
	user, rest, _ := bytes.Cut(rest, []byte{0})
	response := rest[1 : 1+int(rest[0])]
	if !bytes.Equal(response, scramble(salt, fe.password)) {
		c.fail(&Error{Code: 1045, SQLState: "28000", Text: fmt.Sprintf("Access denied for user '%s' (using password: YES)", user)})
		c.w.Flush()
		return false
	}
	c.ok()
	return c.w.Flush() == nil
}

func scramble(salt []byte, password string) []byte {
	if password == "" {
		return nil
	}
	h1 := sha1.Sum([]byte(password))
	h2 := sha1.Sum(h1[:])
	h3 := sha1.Sum(append(bytes.Clone(salt), h2[:]...))
	for i := range h3 {
		h3[i] ^= h1[i]
	}
	return h3[:]
}

// recorded gives the answers of testdata/answers.json, from the recordings.
func recorded(t testing.TB) map[string]answer {
	t.Helper()
	var answers map[string]answer
	if err := json.Unmarshal(testdata(t, "answers.json")["answers.json"], &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

var selectFrom = regexp.MustCompile(`^SELECT .* FROM (\S+)`)

// replay answers with recordings: statements without backquotes, a SELECT by the table after FROM. SHOW FRONTENDS says
// that the only FE leads.
func replay(t testing.TB) func(string) (answer, error) {
	answers := recorded(t)
	for sql, a := range answers {
		if m := selectFrom.FindStringSubmatch(sql); m != nil {
			answers[m[1]] = a
		}
	}
	return func(sql string) (answer, error) {
		plain := strings.ReplaceAll(sql, "`", "")
		if a, ok := answers[plain]; ok {
			return a, nil
		}
		if m := selectFrom.FindStringSubmatch(plain); m != nil {
			if a, ok := answers[m[1]]; ok {
				return a, nil
			}
		}
		if strings.HasPrefix(plain, "SHOW ") || strings.HasPrefix(plain, "SELECT ") {
			return answer{}, fmt.Errorf("not recorded: %s", plain)
		}
		return answer{}, nil
	}
}

func openAt(t testing.TB, config Config) *Client {
	t.Helper()
	if config.User == "" {
		config.User = "root"
	}
	c, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func texts(values ...string) []*string {
	row := make([]*string, len(values))
	for i := range values {
		row[i] = &values[i]
	}
	return row
}
