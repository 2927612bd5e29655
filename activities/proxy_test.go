package activities_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// way is what a proxy does with a statement.
type way int

const (
	pass          way = iota
	loseAnswer        // the FE carries it out, the connection breaks before the answer
	loseStatement     // the connection breaks before the FE has it
	refuse            // the FE does not get it; the proxy answers with its words
)

// sqlProxy stands between the client and one FE and can break the connection around a statement.
type sqlProxy struct {
	address string

	mu    sync.Mutex
	hook  func(sql string) way
	words string // of refuse
}

// newProxy starts a proxy before an FE; it ends with the test.
func newProxy(t *testing.T, fe string) *sqlProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &sqlProxy{address: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fe)
			if err != nil {
				_ = client.Close()
				continue
			}
			go p.serve(client, server)
		}
	}()
	return p
}

// on sets what happens to statements from now on. The hook may block: the statement waits.
func (p *sqlProxy) on(hook func(sql string) way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

func (p *sqlProxy) ask(sql string) way {
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	if hook == nil {
		return pass
	}
	return hook(sql)
}

func (p *sqlProxy) serve(client, server net.Conn) {
	var mu sync.Mutex
	mute := false
	closeBoth := func() { _ = client.Close(); _ = server.Close() }
	go func() {
		defer closeBoth()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			mu.Lock()
			muted := mute
			mu.Unlock()
			if err != nil || muted {
				return
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	defer closeBoth()
	for {
		header := make([]byte, 4)
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		body := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		const comQuery = 3
		if header[3] == 0 && len(body) > 0 && body[0] == comQuery {
			switch p.ask(string(body[1:])) {
			case loseStatement:
				return
			case refuse:
				if _, err := client.Write(errorPacket(p.words)); err != nil {
					return
				}
				continue
			case loseAnswer:
				mu.Lock()
				mute = true
				mu.Unlock()
			}
		}
		if _, err := server.Write(append(header, body...)); err != nil {
			return
		}
	}
}

// errorPacket is MySQL's answer to a statement that is refused, with the code 5064 of StarRocks' DDL errors.
func errorPacket(words string) []byte {
	body := append([]byte{0xff, 5064 & 0xff, 5064 >> 8, '#', 'H', 'Y', '0', '0', '0'}, words...)
	return append([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), 1}, body...)
}

// throughProxy is for options.through: it puts one proxy before each FE and keeps the last.
func throughProxy(p **sqlProxy) func(*testing.T, string) string {
	return func(t *testing.T, fe string) string {
		*p = newProxy(t, fe)
		return (*p).address
	}
}
