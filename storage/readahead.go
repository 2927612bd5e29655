package storage

import (
	"errors"
	"hash/crc32"
	"io"
)

// aheadBlock is what is read of a body at a time.
const aheadBlock = mib

// readAhead reads a body while what it gave before is sent.
type readAhead struct {
	blocks  chan aheadPart
	free    chan []byte
	stopped chan struct{} // closed by stop
	ended   chan struct{} // closed when the body is not read any more
	buffer  []byte        // that rest is of
	rest    []byte
	err     error // what follows rest
}

type aheadPart struct {
	data []byte
	err  error // that follows the data
}

// newReadAhead holds up to size bytes.
func newReadAhead(body io.Reader, size int) *readAhead {
	blocks := max(2, size/aheadBlock)
	r := &readAhead{
		blocks: make(chan aheadPart, blocks), free: make(chan []byte, blocks),
		stopped: make(chan struct{}), ended: make(chan struct{}),
	}
	for range blocks {
		r.free <- nil // made at first use
	}
	go r.fill(body)
	return r
}

func (r *readAhead) fill(body io.Reader) {
	defer close(r.ended)
	for {
		var buffer []byte
		select {
		case buffer = <-r.free:
		case <-r.stopped:
			return
		}
		if buffer == nil {
			buffer = make([]byte, aheadBlock)
		}
		n, err := fill(body, buffer[:aheadBlock])
		r.blocks <- aheadPart{buffer[:n], err} // has room: there are as many as buffers
		if err != nil {
			return
		}
	}
}

// fill reads until the buffer is full or the body ends or breaks, and tells which.
func fill(body io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = body.Read(buffer[n:])
		n += more
	}
	return n, err
}

func (r *readAhead) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.buffer != nil {
			r.free <- r.buffer
		}
		part := <-r.blocks
		r.buffer, r.rest, r.err = part.data, part.data, part.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 && errors.Is(r.err, io.EOF) {
		return n, io.EOF
	}
	return n, nil
}

// stop returns when the body is not read any more. The reader is not used afterwards.
func (r *readAhead) stop() {
	close(r.stopped)
	<-r.ended
}

// summed adds up what is read, and keeps the error that ended it.
type summed struct {
	body io.Reader
	crc  uint32
	err  error // other than io.EOF
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
