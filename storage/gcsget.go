package storage

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// gcsConn opens the connections of one Get. All of them are of the first one's generation.
type gcsConn struct {
	store      *gcsStore
	key        string
	generation int64 // 0 before the first connection
}

func (s *gcsStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := keyError("get", key, unreadableKey(key)); err != nil {
		return nil, err
	}
	if err := checkRange(key, offset, length); err != nil {
		return nil, err
	}
	return newResumed(ctx, key, &gcsConn{store: s, key: key}, offset, length)
}

func (c *gcsConn) explain(ctx context.Context, err error) error {
	return c.store.fail(ctx, "get", c.key, err)
}

func (c *gcsConn) connect(ctx context.Context, from, end int64) (*connection, error) {
	s := c.store
	var answer *http.Response
	err := s.try(ctx, func() (err error) {
		call := s.api.Objects.Get(s.bucket, s.prefix+c.key).Context(ctx)
		if c.generation != 0 {
			call.Generation(c.generation)
		}
		if header := rangeHeader(from, end); header != "" {
			call.Header().Set("Range", header)
		}
		answer, err = call.Download()
		return err
	})
	switch {
	case err == nil:
		s.bucketMet.Store(true)
	case c.generation != 0 && isStatus(err, http.StatusNotFound):
		return nil, s.replacedOr(ctx, "get", c.key, err)
	default:
		return nil, s.absent(ctx, "get", c.key, err)
	}
	opened, err := c.accept(answer, from, end)
	if err != nil {
		answer.Body.Close()
		return nil, err
	}
	return opened, nil
}

// accept checks that the answer is what was asked for.
func (c *gcsConn) accept(answer *http.Response, from, end int64) (*connection, error) {
	if packed := answer.Header.Get("X-Goog-Stored-Content-Encoding"); packed != "" && packed != "identity" {
		return nil, invalid("get", c.key, "GCS unpacks this object on the way (its Content-Encoding is %s): its stored bytes cannot be read", packed)
	}
	generation, err := strconv.ParseInt(answer.Header.Get("X-Goog-Generation"), 10, 64)
	if err == nil && c.generation != 0 && generation != c.generation {
		err = fmt.Errorf("server answers with generation %d when asked for %d", generation, c.generation)
	}
	var stop int64
	if err == nil {
		stop, err = answeredRange(answer.ContentLength, answer.Header.Get("Content-Range"), rangeHeader(from, end) != "", from)
	}
	if err != nil {
		return nil, &Error{Op: "get", Key: c.key, Kind: ErrUnavailable, Err: err}
	}
	c.generation = generation
	opened := &connection{body: answer.Body, end: stop}
	if from == 0 && end < 0 {
		opened.crc = headerCRC(answer.Header)
	}
	return opened, nil
}

// headerCRC is the CRC-32C of the whole object, or nil.
func headerCRC(header http.Header) *uint32 {
	for _, line := range header.Values("X-Goog-Hash") {
		for hash := range strings.SplitSeq(line, ",") {
			text, found := strings.CutPrefix(strings.TrimSpace(hash), "crc32c=")
			if !found {
				continue
			}
			if sum, err := base64.StdEncoding.DecodeString(text); err == nil && len(sum) == 4 {
				crc := binary.BigEndian.Uint32(sum)
				return &crc
			}
		}
	}
	return nil
}
