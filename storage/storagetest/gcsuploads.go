package storagetest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
)

// gcsUploads knows how far each resumable upload is.
type gcsUploads struct {
	mu      sync.Mutex
	uploads map[string]gcsUpload // by id
}

type gcsUpload struct {
	end  int64 // bytes that the server has
	crc  uint32
	done bool
}

// answer answers chunks that the server has already, and the last one if the sum of all is wrong. It tells whether it has
// answered: all else is for the server.
func (u *gcsUploads) answer(w http.ResponseWriter, r *http.Request) bool {
	id := r.URL.Query().Get("upload_id")
	var first, last, total int64
	text := strings.Replace(r.Header.Get("Content-Range"), "/*", "/-1", 1)
	if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total); err != nil || id == "" {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	u.mu.Lock()
	defer u.mu.Unlock()
	upload := u.uploads[id]
	switch {
	case upload.done:
		return false
	case last < upload.end:
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", upload.end-1))
		w.Header().Set("X-Http-Status-Code-Override", "308") // as Google's own clients ask for
		return true
	}
	upload.end, upload.crc, upload.done = last+1, crc32.Update(upload.crc, crc32.MakeTable(crc32.Castagnoli), body), last+1 == total
	if upload.done && !promised(r, upload.crc) {
		gcsRefusal(w, http.StatusBadRequest, "invalid", "Provided CRC32C doesn't match calculated CRC32C.")
		return true
	}
	if u.uploads == nil {
		u.uploads = map[string]gcsUpload{}
	}
	u.uploads[id] = upload
	return false
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
