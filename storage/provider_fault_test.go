package storage_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// twoParts is larger than the smallest part of S3 and than a block of HDFS.
const twoParts = 5*mib + 1000

// The providers meet their faults at the same time, since all of them mostly wait.
func TestEveryProviderMeetsFaults(t *testing.T) {
	providers := map[string]func(*testing.T) storagetest.Faulty{
		"S3": faultyS3, "S3 over TLS": faultyTLS, "GCS": faultyGCS, "GCS with HMAC keys": faultyHMAC,
		"HDFS, its NameNode": faultyNameNode, "HDFS, its DataNode": faultyDataNode,
	}
	var starting, running sync.WaitGroup
	starting.Add(len(providers))
	for name, provider := range providers {
		started := sync.OnceFunc(starting.Done)
		running.Go(func() {
			defer started()
			t.Run(name, func(t *testing.T) {
				defer started() // a test that is skipped too
				faulty := provider(t)
				started()
				starting.Wait() // a server that starts amid the others' faults takes minutes
				storagetest.Faults(t, faulty)
			})
		})
	}
	running.Wait()
}

func faultyS3(t *testing.T) storagetest.Faulty {
	server := storagetest.StartS3(t)
	return storagetest.Faulty{
		Open: func(t *testing.T, location, address string, patience time.Duration) storage.Store {
			c := server.Config(location)
			c.S3.Endpoint = "http://" + address
			return impatient(t, c, 5*mib, patience)
		},
		Seed: seedFiles(server), Address: hostPort(t, server.Endpoint), Large: twoParts, HTTP: true, Secret: server.SecretKey,
	}
}

// seedFiles makes objects of a server that keeps them as files.
func seedFiles(server storagetest.Server) func(*testing.T, string, []string) {
	return func(t *testing.T, location string, keys []string) {
		for _, key := range keys {
			file := filepath.Join(server.Dir, location, key)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func faultyTLS(t *testing.T) storagetest.Faulty {
	server, caFile := storagetest.StartS3TLS(t)
	return storagetest.Faulty{
		Open: func(t *testing.T, location, address string, patience time.Duration) storage.Store {
			c := server.Config(location)
			c.S3.Endpoint, c.S3.CAFile = "https://"+address, caFile
			return impatient(t, c, 5*mib, patience)
		},
		Seed: seedFiles(server), Address: hostPort(t, server.Endpoint), Large: twoParts, Secret: server.SecretKey,
	}
}

func faultyGCS(t *testing.T) storagetest.Faulty {
	server := storagetest.StartGCS(t)
	direct := storagetest.NewProxy(t, server.Endpoint) // an upload goes on at the address where it began
	return storagetest.Faulty{
		Open: func(t *testing.T, location, address string, patience time.Duration) storage.Store {
			c := server.Config(location)
			c.GCS.Endpoint = "http://" + address
			return impatient(t, c, mib, patience)
		},
		Address: hostPort(t, direct.Endpoint), Large: 2*mib + 1000, HTTP: true, // this server is slow
	}
}

func faultyHMAC(t *testing.T) storagetest.Faulty {
	server := storagetest.StartGCSHMAC(t)
	return storagetest.Faulty{
		Open: func(t *testing.T, location, address string, patience time.Duration) storage.Store {
			c := server.Config(location)
			c.GCS.Endpoint = "http://" + address
			return impatient(t, c, 5*mib, patience)
		},
		Address: hostPort(t, server.Endpoint), Large: twoParts, HTTP: true, NoTCP: true, Secret: server.SecretKey,
	}
}

func faultyNameNode(t *testing.T) storagetest.Faulty {
	cluster := storagetest.StartHDFS(t)
	return faultyHDFS(t, cluster, cluster.Address, func(c storage.Config, address string, patience time.Duration) storage.Store {
		c.HDFS.NameNodes = []string{address}
		return impatient(t, c, 0, patience)
	})
}

func faultyDataNode(t *testing.T) storagetest.Faulty {
	cluster := storagetest.StartHDFS(t)
	faulty := faultyHDFS(t, cluster, dataNode(t, cluster), func(c storage.Config, address string, patience time.Duration) storage.Store {
		s := impatient(t, c, 0, patience)
		storage.RouteDataNodes(s, func(string) string { return address })
		return s
	})
	faulty.Content = true
	return faulty
}

// dataNode is the address of the cluster's only one.
func dataNode(t *testing.T, cluster storagetest.HDFS) string {
	s := open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	defer s.Close()
	var met atomic.Value
	storage.RouteDataNodes(s, func(address string) string { met.Store(address); return address })
	write(t, s, "object", []byte("data"))
	return met.Load().(string)
}

func faultyHDFS(t *testing.T, cluster storagetest.HDFS, address string, open func(storage.Config, string, time.Duration) storage.Store) storagetest.Faulty {
	base := cluster.Dir(t, "alice")
	return storagetest.Faulty{
		Open: func(t *testing.T, location, address string, patience time.Duration) storage.Store {
			cluster.Mkdir(t, base+"/"+location, 0o755)
			cluster.Chown(t, base+"/"+location, "alice")
			return open(cluster.Config(base+"/"+location, "alice"), address, patience)
		},
		Seed: func(t *testing.T, location string, keys []string) {
			cluster.Mkdir(t, base+"/"+location+"/d", 0o755)
			for _, key := range keys {
				if err := cluster.Client().CreateEmptyFile(base + "/" + location + "/" + key); err != nil {
					t.Fatal(err)
				}
			}
		},
		Address: address, Large: twoParts,
	}
}

// impatient opens a store that waits only so long for a silent server, unless that is 0.
func impatient(t *testing.T, c storage.Config, part int64, patience time.Duration) storage.Store {
	t.Helper()
	s := open(t, c)
	storage.ShrinkUploads(s, part)
	if patience > 0 {
		storage.SetPatience(s, patience)
	}
	return s
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
