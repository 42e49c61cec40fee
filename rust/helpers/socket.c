// SPDX-License-Identifier: GPL-2.0
/*
 * The replication socket: UDP over IPv4 or IPv6, bound to one interface.
 *
 * Opening and releasing take rtnl: call them with no lock that a netdevice
 * notifier takes. All options are those of the socket API.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inetdevice.h>
#include <linux/kthread.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>

#include "ct_sync.h"

/*
 * Receive buffer in bytes, as SO_RCVBUFFORCE counts them: about 4000 full frames
 * wait here while the receiver is busy. Send buffer: what leaves in one burst.
 */
#define RECEIVE_BUFFER	(8 << 20)
#define SEND_BUFFER	(1 << 20)
/*
 * What may wait for the neighbour discovery of one peer that is not there (the
 * kernel's default of unres_qlen_bytes, rounded up): it must not use up what
 * the others need.
 */
#define UNRESOLVED_BUFFER	(256 << 10)
/* A send that the device does not take is given up after this long. */
#define SEND_TIMEOUT	(HZ / 10)
/* On-link proof: no router leaves this hop limit on a datagram (RFC 5082). */
#define HOP_LIMIT	255

static int set_int(struct socket *sock, int level, int option, int value)
{
	return sock->ops->setsockopt(sock, level, option, KERNEL_SOCKPTR(&value), sizeof(value));
}

static int configure_v4(struct socket *sock)
{
	return set_int(sock, SOL_IP, IP_TTL, HOP_LIMIT) ?:
	       set_int(sock, SOL_IP, IP_MULTICAST_ALL, 0) ?:
	       set_int(sock, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) ?:
	       set_int(sock, SOL_IP, IP_RECVTTL, 1);
}

static int configure_v6(struct socket *sock)
{
	return set_int(sock, SOL_IPV6, IPV6_UNICAST_HOPS, HOP_LIMIT) ?:
	       set_int(sock, SOL_IPV6, IPV6_MULTICAST_ALL, 0) ?:
	       set_int(sock, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) ?:
	       set_int(sock, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
}

static int join_v4(struct socket *sock, u32 ifindex, const struct ct_sync_address *group)
{
	struct ip_mreqn membership = { .imr_ifindex = ifindex };

	memcpy(&membership.imr_multiaddr, group->bytes, 4);
	return set_int(sock, SOL_IP, IP_MULTICAST_TTL, HOP_LIMIT) ?:
	       set_int(sock, SOL_IP, IP_MULTICAST_LOOP, 0) ?:
	       sock->ops->setsockopt(sock, SOL_IP, IP_MULTICAST_IF,
				     KERNEL_SOCKPTR(&membership), sizeof(membership)) ?:
	       sock->ops->setsockopt(sock, SOL_IP, IP_ADD_MEMBERSHIP,
				     KERNEL_SOCKPTR(&membership), sizeof(membership));
}

static int join_v6(struct socket *sock, u32 ifindex, const struct ct_sync_address *group)
{
	struct ipv6_mreq membership = { .ipv6mr_ifindex = ifindex };

	memcpy(&membership.ipv6mr_multiaddr, group->bytes, 16);
	return set_int(sock, SOL_IPV6, IPV6_MULTICAST_HOPS, HOP_LIMIT) ?:
	       set_int(sock, SOL_IPV6, IPV6_MULTICAST_LOOP, 0) ?:
	       set_int(sock, SOL_IPV6, IPV6_MULTICAST_IF, ifindex) ?:
	       sock->ops->setsockopt(sock, SOL_IPV6, IPV6_ADD_MEMBERSHIP,
				     KERNEL_SOCKPTR(&membership), sizeof(membership));
}

static int configure(struct socket *sock, u32 ifindex, u8 family,
		     const struct ct_sync_address *group)
{
	int err = family == 6 ? configure_v6(sock) : configure_v4(sock);

	if (err < 0 || !group)
		return err;
	return family == 6 ? join_v6(sock, ifindex, group) : join_v4(sock, ifindex, group);
}

static size_t write_sockaddr(struct sockaddr_storage *storage, u32 ifindex,
			     const struct ct_sync_address *address, u16 port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *in = (struct sockaddr_in *)storage;

	memset(storage, 0, sizeof(*storage));
	if (address->family == 6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_scope_id = ifindex;
		memcpy(&in6->sin6_addr, address->bytes, 16);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, address->bytes, 4);
	return sizeof(*in);
}

static int bind_any(struct socket *sock, u32 ifindex, u8 family, u16 port)
{
	struct ct_sync_address any = { .family = family };
	struct sockaddr_storage storage;
	size_t length = write_sockaddr(&storage, 0, &any, port);

	return sock_bindtoindex(sock->sk, ifindex, true) ?:
	       /* Refused once the socket has a port. */
	       (family == 6 ? set_int(sock, SOL_IPV6, IPV6_V6ONLY, 1) : 0) ?:
	       kernel_bind(sock, (struct sockaddr_unsized *)&storage, length);
}

/*
 * Opens the socket of @net on interface @ifindex, as a member of @group unless
 * that is NULL; @peers is to how many it will send. Returns an error pointer on
 * failure.
 */
struct socket *ct_sync_socket_open(struct net *net, u32 ifindex, u8 family,
				   const struct ct_sync_address *group, u32 peers,
				   u16 port)
{
	struct socket *sock;
	int err;

	err = sock_create_kern(net, family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM,
			       IPPROTO_UDP, &sock);
	if (err < 0)
		return ERR_PTR(err);

	sock_set_rcvbuf(sock->sk, RECEIVE_BUFFER);
	lock_sock(sock->sk);
	sock->sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
	WRITE_ONCE(sock->sk->sk_sndbuf, SEND_BUFFER + peers * UNRESOLVED_BUFFER);
	sock->sk->sk_sndtimeo = SEND_TIMEOUT;
	release_sock(sock->sk);

	err = bind_any(sock, ifindex, family, port) ?: configure(sock, ifindex, family, group);
	if (err < 0) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock;
}

void ct_sync_socket_release(struct socket *sock)
{
	sock_release(sock);
}

/* Whether it is this node's own, so that one list of peers may serve all nodes. */
static bool is_own(struct net *net, u32 ifindex, const struct ct_sync_address *address)
{
	struct in6_addr in6;
	__be32 in;
	bool own;

	rcu_read_lock();
	if (address->family == 6) {
		memcpy(&in6, address->bytes, sizeof(in6));
		own = ipv6_chk_addr(net, &in6, dev_get_by_index_rcu(net, ifindex), 0);
	} else {
		memcpy(&in, address->bytes, sizeof(in));
		own = __ip_dev_find(net, in, false);
	}
	rcu_read_unlock();
	return own;
}

/*
 * Returns the bytes sent or a negative errno; 0 where @to is this node itself,
 * to which nothing is sent. -EAGAIN when the interface takes nothing: at once,
 * or with @wait after SEND_TIMEOUT.
 */
int ct_sync_socket_send(struct socket *sock, u32 ifindex,
			const struct ct_sync_address *to, u16 port,
			const u8 *frame, size_t length, bool wait)
{
	struct sockaddr_storage storage;
	struct kvec part = { .iov_base = (void *)frame, .iov_len = length };
	struct msghdr message = {
		.msg_name = &storage,
		.msg_namelen = write_sockaddr(&storage, ifindex, to, port),
		.msg_flags = wait ? 0 : MSG_DONTWAIT,
	};

	if (is_own(sock_net(sock->sk), ifindex, to))
		return 0;
	return kernel_sendmsg(sock, &message, &part, 1, length);
}

static void read_sender(const struct sockaddr_storage *storage, struct ct_sync_address *from)
{
	memset(from, 0, sizeof(*from));
	if (storage->ss_family == AF_INET6) {
		from->family = 6;
		memcpy(from->bytes, &((const struct sockaddr_in6 *)storage)->sin6_addr, 16);
	} else {
		from->family = 4;
		memcpy(from->bytes, &((const struct sockaddr_in *)storage)->sin_addr, 4);
	}
}

static int read_hop_limit(struct msghdr *message)
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
 * Takes one waiting datagram. Returns its length, which is above @length_max
 * when it did not fit, or a negative errno: -EAGAIN when none waits.
 */
int ct_sync_socket_receive(struct socket *sock, u8 *frame, size_t length_max,
			   struct ct_sync_address *from, int *ttl)
{
	u8 control[128] __aligned(8);
	struct kvec part = { .iov_base = frame, .iov_len = length_max };
	struct sockaddr_storage storage = {};
	struct msghdr message = {
		.msg_name = &storage,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int length;

	length = kernel_recvmsg(sock, &message, &part, 1, length_max,
				MSG_DONTWAIT | MSG_TRUNC);
	if (length < 0)
		return length;
	/* put_cmsg() moved msg_control on: back to the start of what it wrote. */
	message.msg_controllen = (u8 *)message.msg_control - control;
	message.msg_control = control;
	read_sender(&storage, from);
	*ttl = read_hop_limit(&message);
	return length;
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
