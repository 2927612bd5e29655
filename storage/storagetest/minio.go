package storagetest

import (
	"testing"

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
	return server
}

// Assumed is Config with keys of a role, from MinIO's own STS.
func Assumed(server Server, prefix string) storage.Config {
	c := server.Config(prefix)
	c.S3.Role = storage.Role{ARN: "arn:aws:iam::123456789012:role/any", Endpoint: server.Endpoint}
	return c
}
