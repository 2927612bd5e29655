package storagetest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// HDFSProxy stands before a NameNode and loses answers: the call is carried out, and then the connection breaks.
type HDFSProxy struct {
	Address string

	target string
	mu     sync.Mutex
	lose   func(method string) bool
}

// StartHDFSProxy starts a proxy for the length of the test. It loses nothing at first.
func StartHDFSProxy(t testing.TB, h HDFS) *HDFSProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &HDFSProxy{Address: listener.Addr().String(), target: h.Address}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// Lose sets which answers are lost; it is asked for each call, one after the other, except for the renewals of leases,
// which come by the clock. nil loses none.
func (p *HDFSProxy) Lose(lose func(method string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = lose
}

func (p *HDFSProxy) lost(method string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lose != nil && method != "renewLease" && p.lose(method)
}

// serve passes calls on, one at a time, as the client library makes them.
func (p *HDFSProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	const greeting = 7 // bytes, before the first frame
	if _, err := io.CopyN(server, client, greeting); err != nil {
		return
	}
	for first := true; ; first = false {
		call, err := passFrame(server, client)
		if err != nil {
			return
		}
		if first {
			continue // says who calls, and is not answered
		}
		if p.lost(methodOf(call)) {
			_, _ = passFrame(io.Discard, server)
			return
		}
		if _, err := passFrame(client, server); err != nil {
			return
		}
	}
}

// passFrame passes one frame on and returns what is in it.
func passFrame(to io.Writer, from io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	_, err := to.Write(append(head, frame...))
	return frame, err
}

// methodOf reads the name of the method from a call; it is the first field of the second message.
func methodOf(call []byte) string {
	_, n := protowire.ConsumeBytes(call)
	header, _ := protowire.ConsumeBytes(call[max(n, 0):])
	_, _, tag := protowire.ConsumeTag(header)
	name, _ := protowire.ConsumeString(header[max(tag, 0):])
	return name
}
