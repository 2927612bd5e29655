package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"starkeep/storage"
)

// StartMinIO starts MinIO for the length of a test: a second opinion beside versitygw, and the one server here whose session
// tokens are real. Its AssumeRole, at the same Endpoint, takes any role ARN and external id.
//
// What it does otherwise than S3: any region is accepted; If-Match is ignored by deletes; ListMultipartUploads finds an upload
// by its whole key alone; a key segment has at most 255 bytes, and names with "//", "." or ".." segments are refused. Keys that
// are the beginning of others ("a" beside "a/b") are kept, which versitygw refuses.
func StartMinIO(t testing.TB) Server {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{process: process{
		binary: findTool(t, "minio"), scheme: "http", ready: "/minio/health/ready",
		env: []string{"HOME=" + dir, "MINIO_ROOT_USER=" + rootAccess, "MINIO_ROOT_PASSWORD=" + rootSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_REGION=" + region},
		args: func(address string) []string {
			return []string{"server", "--address", address, "--quiet", dir + "/data"}
		},
	}}
	g.run(t)
	server := Server{
		Endpoint: "http://" + g.address, Region: region, AccessKey: rootAccess, SecretKey: rootSecret, Bucket: bucketName, gateway: g,
	}
	server.makeBucket(t)
	waitForRoles(t, server)
	return server
}

// waitForRoles waits until MinIO hands out keys of roles: it calls itself ready some time before.
func waitForRoles(t testing.TB, server Server) {
	t.Helper()
	store, err := storage.Open(t.Context(), Assumed(server, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := store.Stat(ctx, "nothing")
		if errors.Is(err, storage.ErrNotFound) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("MinIO hands out no keys of roles: %v", err)
		case <-tick.C:
		}
	}
}

// Assumed is Config with keys of a role, from MinIO's own STS.
func Assumed(server Server, prefix string) storage.Config {
	c := server.Config(prefix)
	c.S3.Role = storage.Role{ARN: "arn:aws:iam::123456789012:role/any", Endpoint: server.Endpoint}
	return c
}
