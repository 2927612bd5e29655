package storage

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

const (
	hdfsConnectTimeout = 10 * time.Second
	hdfsIdle           = 10 * time.Second // an unused connection costs the NameNode a call each second

	callAttempts = 5 // of a call that was not answered
)

// hdfsConn is a Client of the library with all its sockets. One operation has it at a time: the library lets only one
// call run per Client, knows no context, does not recover from a deadline, and leaves sockets open when something fails.
// So whatever was not answered costs the Client, and the end of an operation's context closes its sockets.
type hdfsConn struct {
	client *hdfs.Client
	store  *hdfsStore
	life   context.Context
	end    context.CancelFunc // of life
	expiry *time.Timer        // closes it when idle

	mu       sync.Mutex
	sockets  map[*hdfsSocket]bool
	nameNode string // dialled last
	broken   bool   // a socket to the NameNode failed: not to be used for another operation
}

// hdfsSocket waits for its peer for a time at each call, and is closed by any error.
type hdfsSocket struct {
	net.Conn
	owner    *hdfsConn
	wait     time.Duration
	nameNode string // its address; "": a DataNode
}

func (s *hdfsSocket) Read(p []byte) (int, error) {
	_ = s.Conn.SetReadDeadline(time.Now().Add(s.wait))
	n, err := s.Conn.Read(p)
	return n, s.check(err)
}

func (s *hdfsSocket) Write(p []byte) (int, error) {
	_ = s.Conn.SetWriteDeadline(time.Now().Add(s.wait))
	n, err := s.Conn.Write(p)
	return n, s.check(err)
}

func (s *hdfsSocket) check(err error) error {
	if err == nil {
		return nil
	}
	if s.nameNode != "" && s.owner.life.Err() == nil {
		s.owner.mu.Lock()
		s.owner.broken = true
		s.owner.mu.Unlock()
		s.owner.store.demote(s.nameNode)
	}
	_ = s.Close()
	return err
}

func (s *hdfsSocket) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.sockets, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}

// SetDeadline, SetReadDeadline and SetWriteDeadline do nothing: each call has its own.
func (s *hdfsSocket) SetDeadline(time.Time) error      { return nil }
func (s *hdfsSocket) SetReadDeadline(time.Time) error  { return nil }
func (s *hdfsSocket) SetWriteDeadline(time.Time) error { return nil }

// dialData dials a DataNode for the library, whose own context is always the background.
func (c *hdfsConn) dialData(_ context.Context, network, address string) (net.Conn, error) {
	if c.store.route != nil {
		address = c.store.route(address)
	}
	return c.dial(network, address, &hdfsSocket{owner: c, wait: c.store.dataWait})
}

// dialName dials a NameNode. The library does so again when the last one is standby or has failed.
func (c *hdfsConn) dialName(_ context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	last := c.nameNode
	c.nameNode = address
	c.mu.Unlock()
	if last != "" && last != address {
		c.store.demote(last)
	}
	return c.dial(network, address, &hdfsSocket{owner: c, wait: c.store.rpcWait, nameNode: address})
}

func (c *hdfsConn) dial(network, address string, socket *hdfsSocket) (net.Conn, error) {
	dialer := net.Dialer{Timeout: min(hdfsConnectTimeout, socket.wait)}
	conn, err := dialer.DialContext(c.life, network, address)
	if err != nil {
		return nil, err
	}
	socket.Conn = conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.sockets[socket] = true
	return socket, nil
}

// kill ends whatever the library is waiting for. Nothing works afterwards.
func (c *hdfsConn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	for socket := range c.sockets {
		_ = socket.Conn.Close()
	}
	clear(c.sockets)
}

func (c *hdfsConn) discard() {
	c.kill()
	_ = c.client.Close() // does not wait: no socket is left to wait for
}

// rest closes the sockets to DataNodes at the end of an operation.
func (c *hdfsConn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for socket := range c.sockets {
		if socket.nameNode == "" {
			_ = socket.Conn.Close()
			delete(c.sockets, socket)
		}
	}
}

// usable tells whether another operation can have it.
func (c *hdfsConn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.broken && c.life.Err() == nil
}

// nameNodes are the addresses in the order in which they are tried.
func (s *hdfsStore) nameNodes() []string {
	s.addrsMu.Lock()
	defer s.addrsMu.Unlock()
	return slices.Clone(s.addrs)
}

// demote puts a NameNode that failed or is standby behind the others.
func (s *hdfsStore) demote(address string) {
	s.addrsMu.Lock()
	defer s.addrsMu.Unlock()
	if s.addrs[0] == address {
		s.addrs = append(s.addrs[1:len(s.addrs):len(s.addrs)], address)
	}
}

// connect dials a NameNode.
func (s *hdfsStore) connect(ctx context.Context) (*hdfsConn, error) {
	c := &hdfsConn{store: s, sockets: map[*hdfsSocket]bool{}}
	c.life, c.end = context.WithCancel(context.Background())
	options := s.options
	options.Addresses, options.NamenodeDialFunc, options.DatanodeDialFunc = s.nameNodes(), c.dialName, c.dialData
	if s.login.Principal != "" {
		client, err := s.kerberosClient()
		if err != nil {
			return nil, err
		}
		options.KerberosClient = client
	}
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	client, err := hdfs.NewClient(options)
	if err != nil {
		c.kill()
		return nil, err
	}
	c.client = client
	return c, nil
}

// hdfsPool keeps connections for the next operation. There are as many as operations run at the same time.
type hdfsPool struct {
	open func(context.Context) (*hdfsConn, error)

	mu     sync.Mutex
	idle   []*hdfsConn
	closed bool
}

// take gives a connection for one operation. The caller calls release exactly once, with what the library said.
func (p *hdfsPool) take(ctx context.Context) (c *hdfsConn, release func(error), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for c == nil {
		if c = p.pop(); c == nil {
			if c, err = p.open(ctx); err != nil {
				return nil, nil, err
			}
		} else if !c.usable() {
			c.discard()
			c = nil
		}
	}
	stop := context.AfterFunc(ctx, c.kill)
	return c, func(err error) {
		alive := stop()
		c.rest()
		if alive && c.usable() && !isUnanswered(err) {
			p.push(c)
		} else {
			c.discard()
		}
	}, nil
}

func (p *hdfsPool) pop() *hdfsConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	c.expiry.Stop()
	return c
}

func (p *hdfsPool) push(c *hdfsConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.discard()
		return
	}
	c.expiry = time.AfterFunc(hdfsIdle, func() { p.expire(c) })
	p.idle = append(p.idle, c)
}

func (p *hdfsPool) expire(c *hdfsConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			c.discard()
			return
		}
	}
}

func (p *hdfsPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.expiry.Stop()
		c.discard()
	}
	p.idle = nil
}

// do makes a call that may be made twice, and makes it again when there was no answer: over a new connection, which goes
// to the other NameNode where one is down or standby.
func (s *hdfsStore) do(ctx context.Context, call func(*hdfs.Client) error) error {
	patience := time.Now().Add(s.rpcWait + s.rpcWait/2) // one NameNode that hangs, and an answer of the other
	for attempt := 0; ; attempt++ {
		c, release, err := s.pool.take(ctx)
		if err == nil {
			err = call(c.client)
			release(err)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !isUnanswered(err), errors.Is(err, errLogin), attempt == callAttempts-1, time.Now().After(patience):
			return err
		case !sleep(ctx, s.backoff<<attempt):
			return ctx.Err()
		}
	}
}
