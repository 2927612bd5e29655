package main

import (
	"fmt"
	"net"
	"strconv"
)

// hostPort is the loopback address of a port. Nothing here listens anywhere else.
func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// listenPort finds a free loopback port, or checks that the wanted one is free.
func listenPort(wanted int) (int, error) {
	l, err := net.Listen("tcp", hostPort(wanted))
	if err != nil && wanted != 0 {
		return 0, fmt.Errorf("port %d is taken (%w); give another one, or 0 for any free one", wanted, err)
	}
	if err != nil {
		return 0, fmt.Errorf("no free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
