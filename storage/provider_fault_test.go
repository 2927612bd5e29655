package storage_test

import (
	"net/url"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

const (
	// patience with a silent server. A busy machine may take longer for an answer: then the request is made again.
	patience = 2 * time.Second

	// twoParts is larger than S3's smallest part.
	twoParts = 5*mib + 1000
)

func TestS3MeetsFaults(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	storagetest.Faults(t, storagetest.Faulty{
		Open: openS3(server.Config, ""), Address: hostPort(t, server.Endpoint), Large: twoParts, HTTP: true, Secret: server.SecretKey,
	})
}

func TestS3OverTLSMeetsFaults(t *testing.T) {
	t.Parallel()
	server, caFile := storagetest.StartS3TLS(t)
	storagetest.Faults(t, storagetest.Faulty{
		Open: openS3(server.Config, caFile), Address: hostPort(t, server.Endpoint), Large: twoParts, Secret: server.SecretKey,
	})
}

func openS3(config func(string) storage.Config, caFile string) func(*testing.T, string, string) storage.Store {
	return func(t *testing.T, location, address string) storage.Store {
		t.Helper()
		c := config(location)
		c.S3.Endpoint, c.S3.CAFile = at(t, c.S3.Endpoint, address), caFile
		s := open(t, c)
		storage.ShrinkParts(s, 5*mib, 5*mib, 5*mib)
		storage.SetPatience(s, patience)
		return s
	}
}

// hostPort is where an endpoint listens.
func hostPort(t *testing.T, endpoint string) string {
	t.Helper()
	parsed, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

// at is an endpoint with another address.
func at(t *testing.T, endpoint, address string) string {
	t.Helper()
	parsed, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Host = address
	return parsed.String()
}
