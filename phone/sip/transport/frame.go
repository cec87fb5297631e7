package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// stream is the link of TCP and TLS.
type stream struct {
	nc net.Conn
	r  *bufio.Reader
}

func newStream(nc net.Conn) *stream { return &stream{nc, bufio.NewReaderSize(nc, 4096)} }

func (s *stream) greet(ctx context.Context) error {
	if tc, ok := s.nc.(*tls.Conn); ok {
		return tc.HandshakeContext(ctx)
	}
	return nil
}

func (s *stream) write(b []byte) error {
	_ = s.nc.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := s.nc.Write(b)
	return err
}

func (s *stream) linger(d time.Duration) { _ = s.nc.SetReadDeadline(time.Now().Add(d)) }
func (s *stream) Close() error           { return s.nc.Close() }

// next frames one message (RFC 3261 18.3), answering keep-alives (RFC 5626
// 4.4.1) on the way: a double CRLF between messages draws a single one.
func (s *stream) next(c *conn) ([]byte, error) {
	s.linger(c.patience())
	crlf := 0
	for {
		b, err := s.r.Peek(1)
		if err != nil {
			return nil, err
		}
		if b[0] != '\r' && b[0] != '\n' {
			break
		}
		_, _ = s.r.Discard(1)
		if b[0] == '\n' {
			if crlf++; crlf == 2 {
				crlf = 0
				_ = c.send([]byte("\r\n"), c.path)
			}
			s.linger(c.patience())
		}
	}
	s.linger(messageTime)
	return Frame(s.r)
}

// ErrTooLarge is the end of a connection whose message passes MaxMessage.
var ErrTooLarge = fmt.Errorf("message of more than %d bytes", MaxMessage)

// ErrNoLength is the end of a connection whose message does not say how long
// it is (RFC 3261 20.14: it must, on a stream).
var ErrNoLength = errors.New("no Content-Length that is a number")

// Frame reads one message from a stream: headers, an empty line, and as many
// bytes as Content-Length says.
func Frame(r *bufio.Reader) ([]byte, error) {
	var msg []byte
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if msg = append(msg, line...); len(msg) > MaxMessage {
			return nil, ErrTooLarge
		}
		if err != nil {
			continue // the rest of a long line
		}
		whole := lastLine(msg)
		if len(whole) == 0 {
			break
		}
		if n, ok := contentLength(whole); ok {
			if length >= 0 && n != length {
				return nil, ErrNoLength // two that differ: no way to tell where it ends
			}
			length = n
		}
	}
	if length < 0 {
		return nil, ErrNoLength
	}
	if len(msg)+length > MaxMessage {
		return nil, ErrTooLarge
	}
	head := len(msg)
	msg = append(msg, make([]byte, length)...)
	_, err := io.ReadFull(r, msg[head:])
	return msg, err
}

// lastLine gives the line that msg ends with, without its CRLF.
func lastLine(msg []byte) []byte {
	msg = bytes.TrimSuffix(bytes.TrimSuffix(msg, []byte("\n")), []byte("\r"))
	return msg[bytes.LastIndexByte(msg, '\n')+1:]
}

func contentLength(line []byte) (int, bool) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return 0, false
	}
	name = bytes.TrimSpace(name)
	if !bytes.EqualFold(name, []byte("Content-Length")) && !bytes.EqualFold(name, []byte("l")) {
		return 0, false
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
	if err != nil || n < 0 {
		return MaxMessage + 1, true // refused as too large
	}
	return n, true
}
