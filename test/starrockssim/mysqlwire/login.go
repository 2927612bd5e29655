package mysqlwire

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

const (
	capLongPassword    = 1 << 0
	capFoundRows       = 1 << 1
	capLongFlag        = 1 << 2
	capConnectDB       = 1 << 3
	capProtocol41      = 1 << 9
	capTransactions    = 1 << 13
	capSecureConn      = 1 << 15
	capMultiStatements = 1 << 16
	capMultiResults    = 1 << 17
	capPluginAuth      = 1 << 19
	capLengthEncAuth   = 1 << 21

	serverCaps = capLongPassword | capFoundRows | capLongFlag | capConnectDB | capProtocol41 | capTransactions |
		capSecureConn | capMultiStatements | capMultiResults | capPluginAuth
)

const nativePassword = "mysql_native_password"

// login does the handshake, mysql_native_password only, and opens the session.
func (c *conn) login() error {
	salt := newSalt()
	c.session = &Session{ID: sessionIDs.Add(1), Host: clientHost(c.net)}
	c.write(c.greeting(salt))
	if err := c.flush(); err != nil {
		return err
	}
	p, err := c.read()
	if err != nil {
		return err
	}
	hello, err := parseHello(p)
	if err != nil {
		return err
	}
	if hello.plugin != nativePassword {
		if hello.response, err = c.switchToNative(salt); err != nil {
			return err
		}
	}
	c.session.User = hello.user
	c.multi = hello.caps&capMultiStatements != 0
	if err := c.admit(salt, hello); err != nil {
		c.writeError(err)
		return errors.Join(err, c.flush())
	}
	c.writeOK(0, false)
	return c.flush()
}

// admit checks the password, opens the handler's session and enters the database of the handshake.
func (c *conn) admit(salt []byte, h *hello) error {
	password, known := c.server.cfg.Password(h.user)
	if !known || subtle.ConstantTimeCompare(h.response, scramble(salt, password)) != 1 {
		using := "YES"
		if len(h.response) == 0 {
			using = "NO"
		}
		return &Error{1045, "28000", fmt.Sprintf("Access denied for user '%s' (using password: %s)", h.user, using)}
	}
	handler, ctx := c.server.cfg.Handler, c.server.ctx
	if err := handler.Open(ctx, c.session); err != nil {
		return err
	}
	if h.database == "" {
		return nil
	}
	if err := handler.UseDatabase(ctx, c.session, h.database); err != nil {
		handler.Close(c.session)
		return err
	}
	c.session.Database = h.database
	return nil
}

func (c *conn) greeting(salt []byte) []byte {
	b := append([]byte{10}, c.server.cfg.Version+"\x00"...)
	b = binary.LittleEndian.AppendUint32(b, c.session.ID)
	b = append(append(b, salt[:8]...), 0)
	caps := uint32(serverCaps)
	b = append(b, byte(caps), byte(caps>>8), charsetUTF8, statusAutocommit, 0, byte(caps>>16), byte(caps>>24), 21)
	b = append(b, make([]byte, 10)...)
	b = append(append(b, salt[8:]...), 0)
	return append(b, nativePassword+"\x00"...)
}

func (c *conn) switchToNative(salt []byte) ([]byte, error) {
	b := append([]byte{0xfe}, nativePassword+"\x00"...)
	c.write(append(append(b, salt...), 0))
	if err := c.flush(); err != nil {
		return nil, err
	}
	return c.read()
}

// hello is the client's answer to the greeting.
type hello struct {
	caps           uint32
	user, database string
	response       []byte
	plugin         string
}

var errHello = errors.New("malformed handshake response")

func parseHello(p []byte) (*hello, error) {
	if len(p) < 33 {
		return nil, errHello
	}
	h := &hello{caps: binary.LittleEndian.Uint32(p), plugin: nativePassword}
	if h.caps&capProtocol41 == 0 {
		return nil, errHello
	}
	h.user, p = cutZero(p[32:])
	if len(p) == 0 {
		return nil, errHello
	}
	n := int(p[0]) // length-encoded or a plain byte: the same below 251
	if len(p) < 1+n {
		return nil, errHello
	}
	h.response, p = p[1:1+n], p[1+n:]
	if h.caps&capConnectDB != 0 {
		h.database, p = cutZero(p)
	}
	if h.caps&capPluginAuth != 0 {
		h.plugin, _ = cutZero(p)
	}
	return h, nil
}

// cutZero takes the text up to the next zero byte.
func cutZero(p []byte) (string, []byte) {
	before, after, _ := bytes.Cut(p, []byte{0})
	return string(before), after
}

// newSalt returns 20 printable bytes.
func newSalt() []byte {
	salt := make([]byte, 20)
	rand.Read(salt)
	for i := range salt {
		salt[i] = salt[i]%93 + 33
	}
	return salt
}

// scramble is what a client with the password answers.
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

func clientHost(nc net.Conn) string {
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		return nc.RemoteAddr().String()
	}
	return host
}
