package mysqlwire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxPacket is the largest payload of one packet; longer messages are cut into several.
const maxPacket = 0xffffff

// maxMessage bounds what a client may send, so that nobody fills the memory.
const maxMessage = 256 << 20

// conn is one connection. Writes go to a buffer; its first error is kept and ends the connection.
type conn struct {
	server   *Server
	net      net.Conn
	r        *bufio.Reader
	w        *bufio.Writer
	seq      byte
	err      error // of writing
	multi    bool  // the client asked for multi statements
	session  *Session
	prepared map[uint32]string
	lastStmt uint32
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{
		server: s, net: nc, r: bufio.NewReader(nc), w: bufio.NewWriterSize(nc, 64<<10),
		prepared: map[uint32]string{},
	}
}

// read returns the next message, put together from its packets.
func (c *conn) read() ([]byte, error) {
	var out []byte
	for {
		var h [4]byte
		if _, err := io.ReadFull(c.r, h[:]); err != nil {
			return nil, err
		}
		n := int(h[0]) | int(h[1])<<8 | int(h[2])<<16
		c.seq = h[3] + 1
		if len(out)+n > maxMessage {
			return nil, fmt.Errorf("message of more than %d bytes", maxMessage)
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(c.r, p); err != nil {
			return nil, err
		}
		if out == nil {
			out = p
		} else {
			out = append(out, p...)
		}
		if n < maxPacket {
			return out, nil
		}
	}
}

func (c *conn) write(p []byte) {
	for c.err == nil {
		n := min(len(p), maxPacket)
		c.put([]byte{byte(n), byte(n >> 8), byte(n >> 16), c.seq})
		c.seq++
		c.put(p[:n])
		p = p[n:]
		if n < maxPacket {
			return
		}
	}
}

func (c *conn) put(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
	}
}

func (c *conn) flush() error {
	if c.err == nil {
		c.err = c.w.Flush()
	}
	return c.err
}

func appendLength(b []byte, n uint64) []byte {
	switch {
	case n < 251:
		return append(b, byte(n))
	case n < 1<<16:
		return append(b, 0xfc, byte(n), byte(n>>8))
	case n < 1<<24:
		return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
	return binary.LittleEndian.AppendUint64(append(b, 0xfe), n)
}

func appendString(b []byte, s string) []byte {
	return append(appendLength(b, uint64(len(s))), s...)
}

const (
	statusAutocommit = 2
	statusMore       = 8
)

func status(more bool) byte {
	if more {
		return statusAutocommit | statusMore
	}
	return statusAutocommit
}

func (c *conn) writeOK(affected uint64, more bool) {
	b := appendLength([]byte{0}, affected)
	c.write(append(b, 0, status(more), 0, 0, 0))
}

func (c *conn) writeEOF(more bool) { c.write([]byte{0xfe, 0, 0, status(more), 0}) }

func (c *conn) writeError(err error) {
	number, state := uint16(1105), "HY000"
	var coded interface {
		error
		Code() uint16
		SQLState() string
	}
	if errors.As(err, &coded) {
		number, state = coded.Code(), (coded.SQLState() + "HY000")[:5]
		err = coded
	}
	b := []byte{0xff, byte(number), byte(number >> 8), '#'}
	b = append(b, state...)
	c.write(append(b, err.Error()...))
}

const charsetUTF8 = 33

func (c *conn) writeColumn(col Column) {
	if col.Type == 0 {
		col.Type = VarString
	}
	if col.Length == 0 {
		col.Length = 90
	}
	b := appendString(nil, "def")
	b = append(b, 0, 0, 0) // no schema, table, original table
	b = appendString(b, col.Name)
	b = appendString(b, col.Name)
	b = append(b, 0x0c, charsetUTF8, 0)
	b = binary.LittleEndian.AppendUint32(b, col.Length)
	c.write(append(b, byte(col.Type), 0, 0, 0, 0, 0))
}
