package storage

import (
	"context"
	"fmt"
)

// GCS is what a Google Cloud Storage location needs besides its name.
type GCS struct {
	Endpoint           string // "https://host:port"; empty: Google's
	ServiceAccountFile string // JSON key file; empty: AccessKey and SecretKey, else application default credentials
	AccessKey          string // HMAC key: the bucket is then used through its S3-compatible XML API
	SecretKey          string
	CAFile             string // PEM certificates that are trusted besides the system's
}

// String leaves secrets out, so that a Config can be logged by mistake.
func (c GCS) String() string {
	return fmt.Sprintf("{Endpoint:%s ServiceAccountFile:%s CAFile:%s}", c.Endpoint, c.ServiceAccountFile, c.CAFile)
}

// GoString leaves secrets out of %#v.
func (c GCS) GoString() string { return c.String() }

func openGCS(context.Context, string, Config) (Store, error) {
	return nil, openError("gs:// locations are not built yet")
}
