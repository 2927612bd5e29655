package storage

import "time"

// HDFSClaim is the directory that the writer of a key moves onto before he publishes.
func HDFSClaim(s Store, key string) string { return s.(*hdfsStore).claimOf(key) }

// SetHDFSWait is how long an HDFS store waits for a silent NameNode or DataNode.
func SetHDFSWait(s Store, d time.Duration) {
	o := s.(*hdfsStore)
	o.rpcWait, o.dataWait = d, d
}

// SetHDFSBackoff is how long an HDFS store waits before it makes an unanswered call again.
func SetHDFSBackoff(s Store, d time.Duration) { s.(*hdfsStore).backoff = d }

// HDFSDigest is what the DataNodes are expected to say of a content.
func HDFSDigest(content []byte, blockSize int64) []byte {
	d := &hdfsDigest{blockSize: blockSize}
	_, _ = d.Write(content)
	return d.sum()
}
