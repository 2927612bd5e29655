package storagetest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	clientProtocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol"
	haProtocol     = "org.apache.hadoop.ha.HAServiceProtocol"
)

// hadoopCall is a call of a NameNode that the client library has not: Hadoop's RPC version 9 without authentication.
type hadoopCall struct {
	address, protocol, method string
}

// mustSend makes the call with the fields of its request.
func (c hadoopCall) mustSend(t testing.TB, fields ...[]byte) {
	t.Helper()
	if _, err := c.send(fields...); err != nil {
		t.Fatal(err)
	}
}

// send makes the call and returns its answer.
func (c hadoopCall) send(fields ...[]byte) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", c.address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	packet := []byte{'h', 'r', 'p', 'c', 9, 0, 0}
	packet = append(packet, rpcFrame(
		rpcHeader(-3, id),
		message(protoMessage(2, protoText(1, HDFSSuperuser)), protoText(3, c.protocol)))...)
	packet = append(packet, rpcFrame(
		rpcHeader(0, id),
		message(protoText(1, c.method), protoText(2, c.protocol), protoUint(3, 1)),
		message(fields...))...)
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	return c.answer(conn)
}

func (c hadoopCall) answer(conn net.Conn) ([]byte, error) {
	var length uint32
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		return nil, fmt.Errorf("%s: %w", c.method, err)
	}
	frame := make([]byte, length)
	if _, err := io.ReadFull(conn, frame); err != nil {
		return nil, fmt.Errorf("%s: %w", c.method, err)
	}
	header, n := protowire.ConsumeBytes(frame)
	if n < 0 {
		return nil, fmt.Errorf("%s: answer is no message", c.method)
	}
	const status, errorMessage = 2, 5
	for _, value := range protoFields(header, status) {
		if code, _ := protowire.ConsumeVarint(value); code != 0 {
			return nil, fmt.Errorf("%s: %s", c.method, message(protoFields(header, errorMessage)...))
		}
	}
	body, _ := protowire.ConsumeBytes(frame[n:])
	return body, nil
}

// protoFields are the values of a field of a message; numbers are left encoded.
func protoFields(m []byte, field protowire.Number) [][]byte {
	var values [][]byte
	for len(m) > 0 {
		number, kind, tag := protowire.ConsumeTag(m)
		if tag < 0 {
			return values
		}
		size := protowire.ConsumeFieldValue(number, kind, m[tag:])
		if size < 0 {
			return values
		}
		value := m[tag : tag+size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if number == field {
			values = append(values, value)
		}
		m = m[tag+size:]
	}
	return values
}

// rpcHeader is an RpcRequestHeaderProto.
func rpcHeader(call int64, client []byte) []byte {
	const protocolBuffer, finalPacket = 2, 0
	return message(protoUint(1, protocolBuffer), protoUint(2, finalPacket), protoUint(3, protowire.EncodeZigZag(call)), protoMessage(4, client))
}

// rpcFrame is messages with their lengths, and the length of all of them.
func rpcFrame(messages ...[]byte) []byte {
	var body []byte
	for _, m := range messages {
		body = protowire.AppendBytes(body, m)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func message(fields ...[]byte) []byte {
	var m []byte
	for _, field := range fields {
		m = append(m, field...)
	}
	return m
}

func protoUint(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

func protoText(number protowire.Number, value string) []byte {
	return protoMessage(number, []byte(value))
}

func protoMessage(number protowire.Number, value ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message(value...))
}
