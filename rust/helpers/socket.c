// SPDX-License-Identifier: GPL-2.0
/*
 * Datagram sockets of the kernel, with the options of the socket API. Which are
 * set is decided in rust/kapi/socket.rs.
 *
 * Opening and releasing take rtnl: call them with no lock that a netdevice
 * notifier takes.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kthread.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/sock.h>

#include "abi.h"

/* Buffer sizes in bytes, as SO_RCVBUFFORCE and SO_SNDBUFFORCE count them. */
struct socket *ct_sync_socket_open(struct net *net, u16 family, u32 receive_buffer,
				   u32 send_buffer, u32 send_timeout_ms)
{
	struct socket *sock;
	int err = sock_create_kern(net, family, SOCK_DGRAM, IPPROTO_UDP, &sock);

	if (err < 0)
		return ERR_PTR(err);
	sock_set_rcvbuf(sock->sk, receive_buffer);
	lock_sock(sock->sk);
	sock->sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(sock->sk->sk_sndbuf, send_buffer);
	sock->sk->sk_sndtimeo = msecs_to_jiffies(send_timeout_ms);
	release_sock(sock->sk);
	return sock;
}

int ct_sync_socket_set(struct socket *sock, u32 level, u32 option, const u8 *value, u32 length)
{
	return sock->ops->setsockopt(sock, level, option, KERNEL_SOCKPTR((void *)value), length);
}

/* Binds to an interface and then to an address. */
int ct_sync_socket_bind(struct socket *sock, u32 ifindex, const u8 *address, u32 length)
{
	struct sockaddr_storage storage = {};

	memcpy(&storage, address, min_t(size_t, length, sizeof(storage)));
	return sock_bindtoindex(sock->sk, ifindex, true) ?:
	       kernel_bind(sock, (struct sockaddr_unsized *)&storage, length);
}

/* Returns the bytes sent or a negative errno, -EAGAIN when nothing is taken: at once, or with @wait later. */
int ct_sync_socket_send(struct socket *sock, const u8 *address, u32 address_length,
			const u8 *frame, size_t length, bool wait)
{
	struct sockaddr_storage storage = {};
	struct kvec part = { .iov_base = (void *)frame, .iov_len = length };
	struct msghdr message = {
		.msg_name = &storage,
		.msg_namelen = address_length,
		.msg_flags = wait ? 0 : MSG_DONTWAIT,
	};

	memcpy(&storage, address, min_t(size_t, address_length, sizeof(storage)));
	return kernel_sendmsg(sock, &message, &part, 1, length);
}

/* The TTL or hop limit that came with a datagram, or -1. */
static int hop_limit_of(struct msghdr *message)
{
	struct cmsghdr *control;

	for_each_cmsghdr(control, message) {
		if ((control->cmsg_level == SOL_IP && control->cmsg_type == IP_TTL) ||
		    (control->cmsg_level == SOL_IPV6 && control->cmsg_type == IPV6_HOPLIMIT))
			return *(int *)CMSG_DATA(control);
	}
	return -1;
}

/*
 * Takes one waiting datagram. Returns its length, which is above @length when it
 * did not fit, or a negative errno: -EAGAIN when none waits.
 */
int ct_sync_socket_receive(struct socket *sock, u8 *frame, size_t length, u8 *address,
			   u32 address_length, int *hop_limit)
{
	u8 control[128] __aligned(8);
	struct kvec part = { .iov_base = frame, .iov_len = length };
	struct sockaddr_storage storage = {};
	struct msghdr message = {
		.msg_name = &storage,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int received = kernel_recvmsg(sock, &message, &part, 1, length, MSG_DONTWAIT | MSG_TRUNC);

	if (received < 0)
		return received;
	/* put_cmsg() moved msg_control on: back to the start of what it wrote. */
	message.msg_controllen = (u8 *)message.msg_control - control;
	message.msg_control = control;
	memcpy(address, &storage, min_t(size_t, address_length, sizeof(storage)));
	*hop_limit = hop_limit_of(&message);
	return received;
}

static bool has_datagram(struct sock *sk)
{
	return !skb_queue_empty_lockless(&sk->sk_receive_queue) ||
	       !skb_queue_empty_lockless(&udp_sk(sk)->reader_queue);
}

/* Waits until a datagram is there or the thread is to stop. */
void ct_sync_socket_wait(struct socket *sock)
{
	wait_event_interruptible(*sk_sleep(sock->sk),
				 has_datagram(sock->sk) || kthread_should_stop());
}
