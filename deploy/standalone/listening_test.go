package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listening lists the addresses on which this process listens, as the kernel knows them.
func listening(t *testing.T) []string {
	t.Helper()
	ours := map[string]bool{} // inodes of our sockets
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, descriptor := range descriptors {
		// A descriptor may have been closed meanwhile.
		if target, err := os.Readlink(descriptor); err == nil && strings.HasPrefix(target, "socket:[") {
			ours[strings.Trim(target, "socket:[]")] = true
		}
	}
	var addresses []string
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(data), "\n")[1:] {
			fields := strings.Fields(line)
			const listen = "0A"
			if len(fields) > 9 && fields[3] == listen && ours[fields[9]] {
				addresses = append(addresses, decodeAddress(t, fields[1]))
			}
		}
	}
	if len(addresses) == 0 {
		t.Fatal("this process listens nowhere")
	}
	return addresses
}

// decodeAddress reads "0100007F:1C41": the kernel prints addresses in words of its own byte order.
func decodeAddress(t *testing.T, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+4 <= len(ip); i += 4 {
		binary.LittleEndian.PutUint32(ip[i:], binary.BigEndian.Uint32(ip[i:]))
	}
	number, err := hex.DecodeString(port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(net.IP(ip).String(), fmt.Sprint(binary.BigEndian.Uint16(number)))
}
