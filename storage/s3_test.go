package storage_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestS3UserWithoutRightsIsDenied(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	nobody := server.User(t, "nobody")
	storagetest.Denied(t, open(t, server.Config("x")), open(t, nobody.Config("x")))
}

func TestS3TellsTheMD5OfWhatWasPutInOnePiece(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.StartS3(t).Config("x"))
	write(t, s, "small", []byte("data"))
	write(t, s, "large", bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16))
	want := map[string]string{"small": "8d777f385d3dfec8815d20f7496026dc", "large": ""}
	for o, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if o.MD5 != want[o.Key] {
			t.Errorf("%s: MD5 %q, want %q", o.Key, o.MD5, want[o.Key])
		}
	}
}

func TestS3ReaderMayReadAndNotWrite(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	owner := open(t, server.Config("x"))
	reader := open(t, server.User(t, "reader", "s3:GetObject", "s3:ListBucket").Config("x"))
	write(t, owner, "object", []byte("data"))
	if got, err := storage.ReadAll(t.Context(), reader, "object", 10); err != nil || string(got) != "data" {
		t.Errorf("%q, %v", got, err)
	}
	want(t, storage.WriteAll(t.Context(), reader, "object", nil, storage.Overwrite), storage.ErrDenied)
	want(t, reader.Delete(t.Context(), "object"), storage.ErrDenied)
	want(t, reader.Copy(t.Context(), "object", "other"), storage.ErrDenied)
}

func TestS3WrongCredentialsAreDeniedAndNeverShown(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	const canary = "canary-secret-7f3a9b"
	tests := map[string]func(*storage.S3){
		"wrong secret":  func(c *storage.S3) { c.SecretKey = canary },
		"unknown key":   func(c *storage.S3) { c.AccessKey, c.SecretKey = "stranger", canary },
		"bogus session": func(c *storage.S3) { c.SessionToken = canary },
		"wrong region":  func(c *storage.S3) { c.Region, c.SessionToken = "eu-west-7", "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c := server.Config("x")
			change(&c.S3)
			s := open(t, c)
			_, getErr := s.Get(t.Context(), "object", 0, -1)
			putErr := storage.WriteAll(t.Context(), s, "object", []byte("x"), storage.IfAbsent)
			deleteErr := s.Delete(t.Context(), "object")
			for _, err := range []error{getErr, putErr, deleteErr} {
				want(t, err, storage.ErrDenied)
				if text := fmt.Sprintf("%v %+v", err, c.S3); strings.Contains(text, canary) || strings.Contains(text, "testsecret") {
					t.Errorf("secret in %s", text)
				}
			}
		})
	}
}

func TestS3DefaultChainTakesCredentialsFromTheEnvironment(t *testing.T) {
	server := storagetest.StartS3(t)
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	c := server.Config("x")
	c.S3.AccessKey, c.S3.SecretKey, c.S3.Region = "", "", ""
	write(t, open(t, c), "object", []byte("data"))

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrDenied)
}

func TestS3AbsentBucketIsErrNoBucket(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	c := server.Config("")
	c.Location = "s3://no-such-bucket/x"
	s := open(t, c)
	_, statErr := s.Stat(t.Context(), "object")
	_, getErr := s.Get(t.Context(), "object", 0, -1)
	var listErr error
	for _, err := range s.List(t.Context(), "") {
		listErr = err
	}
	errs := map[string]error{
		"Stat": statErr, "Get": getErr, "List": listErr, "Delete": s.Delete(t.Context(), "object"), "Copy": s.Copy(t.Context(), "object", "to"),
		"Put":                  storage.WriteAll(t.Context(), s, "object", nil, storage.Overwrite),
		"Put, large":           storage.WriteAll(t.Context(), s, "object", content(17*mib), storage.Overwrite),
		"Put, large, IfAbsent": storage.WriteAll(t.Context(), s, "object", content(17*mib), storage.IfAbsent),
	}
	for name, err := range errs {
		t.Run(name, func(t *testing.T) { want(t, err, storage.ErrNoBucket) })
	}
}

func TestS3TLS(t *testing.T) {
	t.Parallel()
	server, caFile := storagetest.StartS3TLS(t)
	c := server.Config("x")
	c.S3.CAFile = caFile
	s := open(t, c)
	for _, size := range []int{0, 1000, 40 * mib} {
		data := content(size)
		write(t, s, "object", data)
		if got, err := storage.ReadAll(t.Context(), s, "object", 40*mib); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read %d of %d bytes: %v", len(got), size, err)
		}
	}
	want(t, storage.WriteAll(t.Context(), s, "object", nil, storage.IfAbsent), storage.ErrExists)
	if err := s.Delete(t.Context(), "object"); err != nil {
		t.Error(err)
	}

	c.S3.CAFile = ""
	_, err := open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrInvalid)
}

func TestS3CopiesLargeObjectsInParts(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	s := open(t, server.Config("x"))
	data := content(23*mib + 5)
	for _, parts := range []int64{5 * mib, 16 * mib} { // the source's own parts are 5 MiB, then 16
		storage.ShrinkParts(s, parts, 16*mib, 5*mib)
		write(t, s, "from +%", data)
		write(t, s, "to", nil)
		if err := s.Copy(t.Context(), "from +%", "to"); err != nil {
			t.Fatal(err)
		}
		if got, err := storage.ReadAll(t.Context(), s, "to", 30*mib); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read %d bytes: %v", len(got), err)
		}
	}
	reader := open(t, server.User(t, "reader", "s3:GetObject", "s3:ListBucket").Config("x"))
	storage.ShrinkParts(reader, 5*mib, 5*mib, 5*mib)
	want(t, reader.Copy(t.Context(), "from +%", "other"), storage.ErrDenied)
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("left behind: %q", pending)
	}
}

func TestS3PartsFitTheLimitOf10000(t *testing.T) {
	for _, size := range []int64{17 * mib, 10_000 * 8 * mib, 10_000*8*mib + 1, 5 << 40} {
		part := storage.PartSizeFor(size)
		if parts := (size + part - 1) / part; parts > 10_000 || part%(8*mib) != 0 || (parts < 5_000 && part > 8*mib) {
			t.Errorf("%d bytes: %d parts of %d", size, parts, part)
		}
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hidden-pass-1"
	tests := []storage.Config{
		{}, {Location: "bucket/prefix"}, {Location: "gopher://x"}, {Location: "s3://"}, {Location: "s3:///x"}, {Location: "s3://bucket/"}, {Location: "s3://bucket/x/"},
		{Location: "s3://bucket/a//b"}, {Location: "s3://bucket/../b"}, {Location: "s3://user:" + secret + "@bucket/x"}, {Location: "file://relative"}, {Location: "file:///a/../b"},
		{Location: "file:///a/"},
		{Location: "s3://bucket", S3: storage.S3{AccessKey: "a"}}, {Location: "s3://bucket", S3: storage.S3{SecretKey: secret}},
		{Location: "s3://bucket", S3: storage.S3{Endpoint: "host:9000"}}, {Location: "s3://bucket", S3: storage.S3{Endpoint: "ftp://host"}},
		{Location: "s3://bucket", S3: storage.S3{Endpoint: "http://user:" + secret + "@host"}}, {Location: "s3://bucket", S3: storage.S3{Endpoint: "http://user:" + secret + "@ho st"}},
		{Location: "s3://bucket", S3: storage.S3{Endpoint: "http://host?x=1"}},
		{Location: "s3://bucket", S3: storage.S3{CAFile: "/no/such/file"}}, {Location: "s3://bucket", S3: storage.S3{CAFile: noPEM}},
	}
	for _, c := range tests {
		t.Run(c.Location+" "+c.S3.Endpoint, func(t *testing.T) {
			_, err := storage.Open(t.Context(), c)
			want(t, err, storage.ErrInvalid)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("secret in %v", err)
			}
		})
	}
	for _, location := range []string{"s3a://bucket/a/b", "s3://bucket", "file:///srv/x"} {
		if _, err := storage.Open(t.Context(), storage.Config{Location: location, S3: storage.S3{AccessKey: "a", SecretKey: "b"}}); err != nil {
			t.Error(err)
		}
	}
}
