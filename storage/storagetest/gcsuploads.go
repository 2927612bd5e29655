package storagetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
)

// gcsUploads stands before a server and knows how far each resumable upload is. It answers chunks that the server has
// already, and the last one if the sum of all is wrong; all else is for the server.
type gcsUploads struct {
	server  http.Handler
	mu      sync.Mutex
	uploads map[string]*gcsUpload // by id
}

type gcsUpload struct {
	mu   sync.Mutex // one chunk at a time
	end  int64      // bytes that the server has
	crc  uint32
	done bool
}

func (u *gcsUploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("upload_id")
	var first, last, total int64
	text := strings.Replace(r.Header.Get("Content-Range"), "/*", "/-1", 1)
	if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total); err != nil || id == "" {
		u.server.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	// What has come whole reaches the server, also when the client leaves meanwhile: a context that cannot be cancelled makes
	// the reverse proxy look for that itself.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	u.upload(id).take(w, r, body, last+1, last+1 == total, u.server)
}

func (u *gcsUploads) upload(id string) *gcsUpload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.uploads[id] == nil {
		u.uploads[id] = &gcsUpload{}
	}
	return u.uploads[id]
}

// take deals with a chunk that ends at end.
func (u *gcsUpload) take(w http.ResponseWriter, r *http.Request, body []byte, end int64, isLast bool, server http.Handler) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		server.ServeHTTP(w, r)
		return
	}
	if end <= u.end {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.end-1))
		w.Header().Set("X-Http-Status-Code-Override", "308") // as Google's own clients ask for
		return
	}
	crc := crc32.Update(u.crc, crc32.MakeTable(crc32.Castagnoli), body)
	if isLast && !promised(r, crc) {
		gcsRefusal(w, http.StatusBadRequest, "invalid", "Provided CRC32C doesn't match calculated CRC32C.")
		return
	}
	u.end, u.crc, u.done = end, crc, isLast
	server.ServeHTTP(w, r)
}

// promised tells whether a sum is the one that a request names, if it names one.
func promised(r *http.Request, crc uint32) bool {
	for _, hash := range strings.Split(r.Header.Get("X-Goog-Hash"), ",") {
		if text, found := strings.CutPrefix(strings.TrimSpace(hash), "crc32c="); found {
			return text == base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
		}
	}
	return true
}
